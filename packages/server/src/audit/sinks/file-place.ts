import { lstatSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";

/** Any right of the group or of others, and to execute. */
const NOT_PRIVATE = 0o177;
/** Right of all others to write. */
export const WRITABLE_BY_ALL = 0o002;

/** The place of the file sink is not used. Its message says why. */
export class PlaceRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PlaceRefused";
  }
}

/**
 * Looks at where the file sink is to write, before anything is written.
 * @param path Absolute.
 * @param taken Files and folders of the server's own, absolute: nothing is written in or over them.
 * @throws PlaceRefused when the folder is not there or open to all, the place is one of those, or what lies there is a link,
 * no plain file, or not private to this user.
 */
export function checkPlace(path: string, taken: readonly string[]): void {
  const folder = realFolder(dirname(path));
  const place = join(folder, basename(path));
  if (taken.map(realPath).some((own) => place === own || place.startsWith(own + sep) || own.startsWith(`${place}.`))) {
    throw new PlaceRefused(`${path} is among the server's own files: give the audit file a folder of its own`);
  }
  const stats = lstatSync(place, { throwIfNoEntry: false });
  const reason = stats && unfitness(stats);
  if (reason !== undefined) {
    throw new PlaceRefused(`${path} ${reason}`);
  }
}

/** Why a file is not written to; undefined if it may be. */
export function unfitness(stats: Pick<Stats, "isFile" | "nlink" | "mode" | "uid">): string | undefined {
  if (!stats.isFile() || stats.nlink !== 1) {
    return "is not a plain file under one name";
  }
  if ((stats.mode & NOT_PRIVATE) !== 0) {
    return `has mode ${(stats.mode & 0o777).toString(8)}: make it private with chmod 600`;
  }
  return stats.uid === process.geteuid?.() ? undefined : "belongs to another user";
}

function realFolder(folder: string): string {
  try {
    const real = realpathSync(folder);
    const stats = statSync(real);
    if (stats.isDirectory() && (stats.mode & WRITABLE_BY_ALL) === 0) {
      return real;
    }
  } catch {
    throw new PlaceRefused(`${folder} cannot be entered: make the audit file's folder first`);
  }
  throw new PlaceRefused(`${folder} is no folder, or one that everybody may write to`);
}

/** A path without links; as it is when nothing is there. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
