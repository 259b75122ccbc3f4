import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, and those above it, where they are not there. Node's own `recursive` takes ENOENT to mean that the parent is
 * missing, and tries again as soon as that is there: for ever below /proc, whose folders are there and say ENOENT all the same.
 * @param mode Of those that are made.
 * @throws the file system's error.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  let problem = await make(path, mode);
  if (problem?.code === "ENOENT" && dirname(path) !== path) {
    await makeFolder(dirname(path), mode);
    problem = await make(path, mode);
  }
  if (problem !== undefined) {
    throw problem;
  }
}

/** @returns Why it is not there; undefined when it is, whoever made it. */
async function make(path: string, mode: number): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, { mode });
    return undefined;
  } catch (error) {
    const isThere = (await stat(path).catch(() => undefined))?.isDirectory() === true;
    return isThere ? undefined : (error as NodeJS.ErrnoException);
  }
}
