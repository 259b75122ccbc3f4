import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Names, modes and SHA-256 of all files below a folder, one a line: equal if and only if the folders are. */
export function folderContent(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => {
      const path = join(folder, name);
      const stats = statSync(path);
      const hash = stats.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "folder";
      return `${name} ${(stats.mode & 0o777).toString(8)} ${hash}`;
    })
    .join("\n");
}
