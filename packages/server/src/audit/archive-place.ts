import { statSync } from "node:fs";
import { sep } from "node:path";
import { PlaceRefused, realPath, WRITABLE_BY_ALL } from "./sinks/file-place.ts";

/**
 * Looks at where entries are to be archived, before anything is written. Nothing need be there yet: the folder is made with the first
 * archiving.
 * @param path Absolute.
 * @param dataPath The vault's own folder.
 * @throws PlaceRefused when what is there is no folder, is open to all, or is the vault's own, in it or around it.
 */
export function checkArchivePlace(path: string, dataPath: string): void {
  const place = realPath(path);
  const own = realPath(dataPath);
  if (`${place}${sep}`.startsWith(`${own}${sep}`) || `${own}${sep}`.startsWith(`${place}${sep}`)) {
    throw new PlaceRefused(`${path} and the data folder are one in the other: give the archive a folder of its own`);
  }
  const stats = statSync(place, { throwIfNoEntry: false });
  if (stats !== undefined && (!stats.isDirectory() || (stats.mode & WRITABLE_BY_ALL) !== 0)) {
    throw new PlaceRefused(`${path} is no folder, or one that everybody may write to`);
  }
}
