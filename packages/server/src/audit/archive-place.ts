import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { PlaceRefused, WRITABLE_BY_ALL } from "./sinks/file-place.ts";

/**
 * Looks at where entries are to be archived, before anything is written. Nothing need be there yet: the folder is made with the first
 * archiving.
 * @param path Absolute.
 * @param dataPath The vault's own folder.
 * @throws PlaceRefused when what is there, or what it would be made in, is no folder or is open to all; when the place is the vault's
 * own, in it or around it.
 */
export function checkArchivePlace(path: string, dataPath: string): void {
  const { place, present } = settle(path);
  const own = settle(dataPath).place;
  if (isWithin(place, own) || isWithin(own, place)) {
    throw new PlaceRefused(`${path} and the data folder are one in the other: give the archive a folder of its own`);
  }
  const stats = statSync(present);
  if (!stats.isDirectory() || (stats.mode & WRITABLE_BY_ALL) !== 0) {
    throw new PlaceRefused(`${present} is no folder, or one that everybody may write to`);
  }
}

/** A path without links, as far as it is there, and the folder or file up to which it is. */
function settle(path: string): { readonly place: string; readonly present: string } {
  try {
    const place = realpathSync(path);
    return { place, present: place };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw error;
    }
    const above = settle(dirname(path));
    return { ...above, place: join(above.place, basename(path)) };
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
