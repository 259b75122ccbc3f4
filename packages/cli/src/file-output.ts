import { rmSync, type Stats, writeFileSync, writevSync } from "node:fs";
import { type FileHandle, link, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Writable } from "node:stream";
import { Failure, usage } from "./failure.ts";
import type { Output } from "./io.ts";
import { release } from "./release-memory.ts";

/** Bytes that are written at once. With a mebibyte some kernels look for large pages, which takes longer. */
const BATCH_LENGTH = 256 * 1024;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Writes pieces to a file that gets its name only when all are there: until then they are in another file of the same
 * folder, readable by its owner only, which goes away if anything fails. What is no file, such as a pipe or `/dev/null`, is
 * written directly.
 * @param force Whether a file that has the name may be replaced.
 * @returns the number of bytes.
 * @throws Failure when the file is there already or cannot be written; and whatever the pieces throw.
 */
export async function writeWhole(path: string, force: boolean, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const present = await statOf(path);
  if (present?.isDirectory()) {
    throw usage(`cannot write ${path}: it is a folder`);
  }
  if (present !== undefined && !present.isFile()) {
    await using handle = await openFor(path, "w", path);
    return await writeBatches(handle, path, pieces);
  }
  if (present !== undefined && !force) {
    throw isThere(path);
  }
  // A link goes on pointing where it did.
  const target = present === undefined ? path : await realpath(path);
  const temporary = join(dirname(target), `.bunkms-${process.pid}-${Date.now()}.new`);
  using _removal = removeOnSignal(temporary);
  try {
    const written = await writeTemporary(temporary, path, pieces);
    await (force ? rename(temporary, target) : giveNewName(temporary, target));
    return written;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes pieces to a stream, no faster than it takes them. @returns the number of bytes. */
export async function writeStream(output: Output, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let written = 0;
  for await (const batch of inBatches(pieces)) {
    const bytes = Buffer.concat(batch);
    batch.forEach(release);
    written += bytes.length;
    await write(output, bytes);
    release(bytes);
  }
  return written;
}

/** Resolves when the stream has no more use for the bytes. */
async function write(output: Output, bytes: Uint8Array): Promise<void> {
  if (output instanceof Writable) {
    await new Promise<void>((resolve, reject) => {
      output.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  } else {
    output.write(bytes);
  }
}

async function writeTemporary(temporary: string, path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  await using handle = await openFor(temporary, "wx", path);
  return await writeBatches(handle, path, pieces);
}

async function writeBatches(handle: FileHandle, path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let written = 0;
  for await (const batch of inBatches(pieces)) {
    written += lengthOf(batch);
    writeBatch(handle.fd, batch, path);
  }
  return written;
}

/**
 * Writes on this thread: a write to the page cache is a copy, which another core, with its own cache, makes no faster.
 * Written by the thread pool while the next batch was made, a gigabyte took a third longer.
 */
function writeBatch(fd: number, batch: readonly Uint8Array[], path: string): void {
  try {
    const done = writevSync(fd, batch);
    if (done < lengthOf(batch)) {
      // Pipes and full disks take a part; the rest is taken afterwards, or refused.
      writeFileSync(fd, Buffer.concat(batch).subarray(done));
    }
  } catch (error) {
    throw new Failure(7, `cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  batch.forEach(release);
}

async function* inBatches(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    batch.push(piece);
    length += piece.length;
    if (length >= BATCH_LENGTH) {
      yield batch;
      batch = [];
      length = 0;
    }
  }
  if (length > 0) {
    yield batch;
  }
}

function lengthOf(batch: readonly Uint8Array[]): number {
  return batch.reduce((sum, { length }) => sum + length, 0);
}

async function openFor(file: string, flags: "w" | "wx", path: string): Promise<FileHandle> {
  try {
    return await open(file, flags, 0o600);
  } catch (error) {
    throw usage(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw usage(`cannot write ${path}: ${error.code}`);
  });
}

/** Gives a file its name unless another has got it meanwhile: a hard link refuses what a rename would replace. */
export async function giveNewName(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      throw isThere(path);
    }
    // Some file systems have no hard links. Looking first leaves a moment between, which is the best to be had there.
    if ((await lstat(path).catch(() => undefined)) !== undefined) {
      throw isThere(path);
    }
    await rename(temporary, path);
    return;
  }
  await rm(temporary, { force: true });
}

function isThere(path: string): Failure {
  return new Failure(5, `${path} is there already`, "Name another file with --out, or replace it: --force.");
}

/** A signal that ends the process takes the file with it. */
export function removeOnSignal(path: string): Disposable {
  const forget = (): void => {
    for (const signal of SIGNALS) {
      process.off(signal, end);
    }
  };
  const end = (signal: NodeJS.Signals): void => {
    rmSync(path, { force: true });
    forget();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) {
    process.on(signal, end);
  }
  return { [Symbol.dispose]: forget };
}
