import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { entryObject } from "./entry-line.ts";
import { unfitness } from "./file-place.ts";
import { recoverTail } from "./file-tail.ts";
import { DeliveryFailed, type Sink, type SinkEntry } from "./sink.ts";

export interface FileSinkOptions {
  /** Absolute; from the settings alone. See `checkPlace`. */
  readonly path: string;
  /** A file that would grow beyond is moved to `PATH.1` first; 0: never. */
  readonly maxBytes: number;
  /** So many moved ones are kept, at least 1. */
  readonly keep: number;
}

/**
 * Read and write, for the end is looked at. A link is not followed, a named pipe not waited for, and whatever other
 * programs write, nothing of it is overwritten.
 */
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const LINE_END = Buffer.from("\n");

/** What Node's codes mean here; the system's own text repeats the path. */
const CAUSES: ReadonlyMap<string, string> = new Map([
  ["ELOOP", "it is a link, which is not followed"],
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk's quota is used up"],
  ["EACCES", "it cannot be accessed"],
  ["ENOENT", "its folder is gone"],
  ["EROFS", "the file system is read-only"],
  ["EIO", "the disk failed"],
]);

/** JSON lines in a private file, one entry a line. Delivered is what fdatasync(2) has confirmed. */
export class FileSink implements Sink {
  readonly name = "file";
  readonly #options: FileSinkOptions;
  #handle: FileHandle | undefined;
  /** What the file that was opened last ended with; of no use after the first delivery. */
  #known: ReadonlySet<string> = new Set();
  #isReopenWanted = false;

  constructor(options: FileSinkOptions) {
    this.#options = options;
  }

  async deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await this.#write(entries.map(entryObject));
    } catch (error) {
      // Opened anew before the next attempt, which cuts off what was half written.
      await this.#letGo();
      throw error instanceof DeliveryFailed ? error : new DeliveryFailed(`the audit file: ${causeOf(error)}`);
    }
  }

  reopen(): void {
    this.#isReopenWanted = true;
  }

  async close(): Promise<void> {
    await this.#letGo();
  }

  async #write(objects: readonly Buffer[]): Promise<void> {
    const { maxBytes } = this.#options;
    let handle = await this.#current();
    const missing = objects.filter((object) => !this.#known.has(object.toString("latin1")));
    if (missing.length > 0) {
      const bytes = Buffer.concat(missing.flatMap((object) => [object, LINE_END]));
      const { size } = await handle.stat();
      // Not between the two halves of what came before: what is known is in this file.
      const isNew = missing.length === objects.length;
      if (isNew && maxBytes > 0 && size > 0 && size + bytes.length > maxBytes) {
        handle = await this.#rotate();
      }
      await handle.appendFile(bytes);
      await handle.datasync();
    }
    this.#known = new Set();
  }

  /** The open file, if it is still the one under its name. */
  async #current(): Promise<FileHandle> {
    const handle = this.#handle;
    if (handle !== undefined && !this.#isReopenWanted) {
      const [own, named] = await Promise.all([handle.stat(), lstat(this.#options.path).catch(() => undefined)]);
      if (named !== undefined && isSame(own, named)) {
        return handle;
      }
    }
    this.#isReopenWanted = false;
    await this.#letGo();
    return this.#open();
  }

  async #open(): Promise<FileHandle> {
    const { path } = this.#options;
    const handle = await open(path, FLAGS, 0o600);
    // Now, so that it is closed whatever follows.
    this.#handle = handle;
    const reason = unfitness(await handle.stat());
    if (reason !== undefined) {
      throw new DeliveryFailed(`the audit file ${reason}`, { needsMending: true });
    }
    this.#known = await recoverTail(handle);
    await syncFolder(dirname(path));
    return handle;
  }

  async #rotate(): Promise<FileHandle> {
    const { path, keep } = this.#options;
    await this.#letGo();
    for (let number = keep - 1; number >= 1; number -= 1) {
      await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(unlessMissing);
    }
    await rename(path, `${path}.1`);
    return this.#open();
  }

  async #letGo(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#known = new Set();
    await handle?.close().catch(() => undefined);
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") {
    throw error;
  }
}

/** Makes the names in a folder durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function causeOf(error: unknown): string {
  const code = codeOf(error);
  return CAUSES.get(code) ?? `it cannot be written (${/^E[A-Z0-9]{2,20}$/.test(code) ? code : "unknown error"})`;
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}
