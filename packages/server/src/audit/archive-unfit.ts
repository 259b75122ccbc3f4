import { bundlePath } from "./archive-folder.ts";

/** The archive does not have what was archived there. Nothing is wrong with the log itself: mended in the archive, it is mended. */
export class ArchiveUnfit extends RangeError {
  constructor(what: string) {
    super(what);
    this.name = "ArchiveUnfit";
  }
}

/** The archive has something else in the place of what was archived: somebody changed it, or it is another log's. */
export class ArchiveChanged extends ArchiveUnfit {
  /** @param bundles Where it is: one of these at least, in ascending order. */
  constructor(bundles: readonly number[]) {
    const [first, last] = [bundlePath(bundles[0] as number), bundlePath(bundles.at(-1) as number)];
    const place = first === last ? first : `one or more of ${bundles.length} files from ${first} to ${last}`;
    super(`the archive has other entries than those that were archived, in ${place}`);
    this.name = "ArchiveChanged";
  }
}
