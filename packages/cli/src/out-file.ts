import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { Failure, usage } from "./failure.ts";
import { removeOnSignal } from "./file-output.ts";

/**
 * A file that its owner alone can read, for the answer to a request. It is open before the request is made: what is made for a place
 * that cannot be written would be lost, such as a token, or a key that nobody holds. What is there already stays until the answer is;
 * a file that was made for an answer that does not come goes away.
 */
export class OutFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #isFile: boolean;
  /** What removes it on a signal; undefined where it was there already. */
  readonly #removal: Disposable | undefined;
  #isWritten = false;

  private constructor(path: string, handle: FileHandle, isFile: boolean, removal: Disposable | undefined) {
    this.path = path;
    this.#handle = handle;
    this.#isFile = isFile;
    this.#removal = removal;
  }

  /** @throws Failure when it cannot be written. */
  static async open(path: string): Promise<OutFile> {
    const { handle, isNew } = await openFor(path);
    const removal = isNew ? removeOnSignal(path) : undefined;
    try {
      const isFile = (await handle.stat()).isFile();
      if (isFile) {
        await handle.chmod(0o600);
      }
      return new OutFile(path, handle, isFile, removal);
    } catch (error) {
      removal?.[Symbol.dispose]();
      await handle.close();
      throw notWritable(path, error);
    }
  }

  /** Writes the answer, in place of what is there. On disk when it returns. @throws Failure */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      if (this.#isFile) {
        await this.#handle.truncate(0);
      }
      await this.#handle.writeFile(bytes);
      if (this.#isFile) {
        await this.#handle.sync();
      }
    } catch (error) {
      throw new Failure(7, `cannot write ${this.path}: ${(error as NodeJS.ErrnoException).code}`);
    }
    this.#isWritten = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (this.#removal !== undefined) {
      this.#removal[Symbol.dispose]();
      if (!this.#isWritten) {
        await rm(this.path, { force: true });
      }
    }
  }
}

/**
 * Opens the file of `--out`, if there is one. Input is read before: a name that both have would else be there, and empty.
 * @throws Failure when it cannot be written, or would get nothing because of `--json`.
 */
export async function openOut(options: {
  readonly out?: string;
  readonly json?: boolean;
}): Promise<OutFile | undefined> {
  if (options.out === undefined) {
    return undefined;
  }
  if (options.json) {
    throw usage("--json and --out do not go together: the JSON holds it all, and goes to standard output");
  }
  return await OutFile.open(options.out);
}

async function openFor(path: string): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> {
  try {
    return { handle: await open(path, "wx", 0o600), isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw notWritable(path, error);
    }
  }
  try {
    // To create what is there: some systems refuse so to write another user's file in a folder that is everybody's.
    return { handle: await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600), isNew: false };
  } catch (error) {
    throw notWritable(path, error);
  }
}

function notWritable(path: string, error: unknown): Failure {
  return usage(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
}
