import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure, usage } from "./failure.ts";
import { makeFolder } from "./make-folder.ts";

interface ShareFile {
  readonly path: string;
  readonly handle: FileHandle;
}

/**
 * Files for shares, one for each, that their owner alone can read. They are there, empty, before the shares are made:
 * shares are shown once, and must not be lost for want of a place. Those that are not written go away in the end.
 */
export class ShareFiles implements AsyncDisposable {
  readonly #files: readonly ShareFile[];
  #isWritten = false;

  private constructor(files: readonly ShareFile[]) {
    this.#files = files;
  }

  /**
   * Makes the files, and the folder if it is not there.
   * @param ending Of their names, for example `.txt`.
   * @throws Failure when one is there already, or the folder cannot be written.
   */
  static async reserve(folder: string, count: number, ending: string): Promise<ShareFiles> {
    const files: ShareFile[] = [];
    try {
      await makeFolder(folder, 0o700);
      for (let number = 1; number <= count; number++) {
        const path = join(folder, `share-${number}${ending}`);
        files.push({ path, handle: await open(path, "wx", 0o600) });
      }
      return new ShareFiles(files);
    } catch (error) {
      await remove(files);
      const { code, path = folder } = error as NodeJS.ErrnoException;
      throw code === "EEXIST"
        ? new Failure(5, `${path} is there already`, "Shares never replace a file: name another folder.")
        : usage(`cannot write ${path}: ${code}`);
    }
  }

  get paths(): readonly string[] {
    return this.#files.map(({ path }) => path);
  }

  /** Writes each share into its file. On disk when it returns. @throws Error of the file system. */
  async write(shares: readonly string[]): Promise<void> {
    for (const [at, { handle }] of this.#files.entries()) {
      await handle.writeFile(`${(shares[at] as string).trimEnd()}\n`);
      await handle.sync();
    }
    this.#isWritten = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isWritten) {
      await close(this.#files);
    } else {
      await remove(this.#files);
    }
  }
}

async function close(files: readonly ShareFile[]): Promise<void> {
  await Promise.all(files.map(({ handle }) => handle.close()));
}

async function remove(files: readonly ShareFile[]): Promise<void> {
  await close(files);
  await Promise.all(files.map(({ path }) => rm(path, { force: true })));
}
