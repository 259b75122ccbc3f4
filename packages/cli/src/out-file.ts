import { constants, existsSync, type Stats } from "node:fs";
import { type FileHandle, open, realpath, rm } from "node:fs/promises";
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
  /** The permissions that the file had, until it is written. */
  #mode: number;
  /** The file that was made, until the answer is in it. */
  #made: { readonly path: string; readonly removal: Disposable } | undefined;

  private constructor(path: string, handle: FileHandle, stats: Stats, made: string | undefined) {
    this.path = path;
    this.#handle = handle;
    this.#isFile = stats.isFile();
    this.#mode = stats.mode & 0o7777;
    this.#made = made === undefined ? undefined : { path: made, removal: removeOnSignal(made) };
  }

  /** @throws Failure when it cannot be written. */
  static async open(path: string): Promise<OutFile> {
    if (path === "-") {
      throw usage("- is no file", "Elsewhere it is standard output. A file of that name is ./-.");
    }
    const { handle, made } = await openFor(path);
    try {
      const stats = await handle.stat();
      if (stats.isFile()) {
        await handle.chmod(0o600);
      }
      return new OutFile(path, handle, stats, made);
    } catch (error) {
      await handle.close();
      throw notWritable(path, error);
    }
  }

  /** Writes the answer, in place of what is there. On disk when it returns. @throws Failure */
  async write(bytes: Uint8Array): Promise<void> {
    this.#mode = 0o600;
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
    this.#made?.removal[Symbol.dispose]();
    this.#made = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mode !== 0o600 && this.#isFile) {
      await this.#handle.chmod(this.#mode);
    }
    await this.#handle.close();
    if (this.#made !== undefined) {
      await rm(this.#made.path, { force: true });
      this.#made.removal[Symbol.dispose]();
    }
  }
}

/**
 * Opens the file of `--out`, if there is one. Input is read before: a name that both have would else be there, and empty.
 * @throws Failure when it cannot be written, or would get nothing because of `--json`.
 */
export async function openOut(options: {
  readonly out?: string | undefined;
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

/** Opens what is to be written. `made` is the file's own path where it was not there before. */
async function openFor(path: string): Promise<{ readonly handle: FileHandle; readonly made: string | undefined }> {
  try {
    return { handle: await open(path, "wx", 0o600), made: path };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw notWritable(path, error);
    }
  }
  try {
    // Else it is a link that leads to no file yet.
    const isThere = existsSync(path);
    // To create what is there: some systems refuse so to write another user's file in a folder that is everybody's.
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    return { handle, made: isThere ? undefined : await realpath(path) };
  } catch (error) {
    throw notWritable(path, error);
  }
}

function notWritable(path: string, error: unknown): Failure {
  return usage(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
}
