import { readFile, stat } from "node:fs/promises";
import { RequestError } from "../errors.ts";

/**
 * How long a file must have stayed as it is before its times are proof that it did not change: those of file systems are coarse, so
 * that what is written twice in a moment may have the same.
 */
const SETTLED_MS = 2_000;

/** More than any token has: what is larger is another file, by mistake. */
const MOST_BYTES = 4096;

/**
 * Reads a token from a file. The file is looked at for each call, and read again when it is another than before: what renews
 * tokens puts a new file, or a link to one, in the place of the old.
 * @throws RequestError that names the file.
 */
export function watchTokenFile(path: string): () => Promise<string> {
  let seen = "";
  let token = "";
  return async () => {
    try {
      const { ino, mtimeMs, ctimeMs, size } = await stat(path);
      const now = [ino, mtimeMs, ctimeMs, size].join();
      if (now !== seen) {
        if (size > MOST_BYTES) {
          throw new RequestError(`${path} is larger than any token`);
        }
        // A file that is changed between the two is read again the next time, since `seen` is what it was before.
        token = (await readFile(path, "utf8")).trim();
        seen = Date.now() - Math.max(mtimeMs, ctimeMs) > SETTLED_MS ? now : "";
      }
    } catch (cause) {
      throw cause instanceof RequestError
        ? cause
        : new RequestError(`the token file ${path} cannot be read`, { cause });
    }
    return token;
  };
}
