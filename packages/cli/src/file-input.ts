import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Failure, usage } from "./failure.ts";
import { fileError } from "./inputs.ts";
import type { Io } from "./io.ts";
import { release } from "./release-memory.ts";

/** A file, or standard input, to be read once from its beginning to its end. */
export interface FileInput extends AsyncDisposable {
  /**
   * In chunks of 1 MiB, the last shorter. A chunk keeps its content until the second after it is asked for; then its buffer
   * is used again. A file that is written meanwhile is a Failure at the end: what was read was never its content.
   */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes; undefined when that is not known before the end. */
  readonly size: number | undefined;
}

const CHUNK_LENGTH = 1024 * 1024;
/** One that is read into, the one that was handed on last, and the one before. */
const BUFFERS = 3;

/** Opens a file, or standard input for `-`. @throws Failure when it cannot be read. */
export async function openInput(io: Io, file: string): Promise<FileInput> {
  if (file === "-") {
    if (io.stdin.isTTY) {
      throw usage("standard input is a terminal", 'Name a file, or pipe into this command: "… | bunkms …".');
    }
    return { chunks: gatherChunks(io.stdin), size: undefined, async [Symbol.asyncDispose]() {} };
  }
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      throw usage(`cannot read ${file}: it is a folder`);
    }
    const size = stat.isFile() ? stat.size : undefined;
    return {
      chunks: readChunks(file, handle, stat),
      size,
      [Symbol.asyncDispose]: handle[Symbol.asyncDispose].bind(handle),
    };
  } catch (error) {
    await handle?.close();
    throw fileError(file, error);
  }
}

/** Reads one chunk ahead, so that reading and what is done with the chunk before go on at the same time. */
async function* readChunks(file: string, handle: FileHandle, before: Stats): AsyncGenerator<Uint8Array> {
  const buffers = makeBuffers();
  const read = (turn: number): Promise<Buffer> => {
    const reading = fill(handle, buffers[turn % buffers.length] as Buffer);
    // Awaited at the next turn only; until then nobody has failed to handle it.
    reading.catch(() => {});
    return reading;
  };
  let reading = read(0);
  try {
    for (let turn = 1; ; turn++) {
      const chunk = await reading;
      if (chunk.length === 0) {
        return mustBeUnchanged(file, before, await handle.stat());
      }
      reading = read(turn);
      yield chunk;
    }
  } catch (error) {
    throw fileError(file, error);
  } finally {
    // The file must not be closed under a read.
    await reading.catch(() => {});
  }
}

function mustBeUnchanged(file: string, before: Stats, after: Stats): void {
  if (before.isFile() && (before.size !== after.size || before.mtimeMs !== after.mtimeMs)) {
    throw new Failure(
      5,
      `${file} was written while it was read`,
      'Try again when nothing writes to it, or pipe it, which takes it as it comes: "bunkms … - < FILE".',
    );
  }
}

async function fill(handle: FileHandle, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) {
      break;
    }
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/**
 * Gathers what a stream gives. It does not read ahead: a read that waits for standard input cannot be called off, and would
 * keep alive a process that has failed.
 */
async function* gatherChunks(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const buffers = makeBuffers();
  let turn = 0;
  let filled = 0;
  for await (const given of stream) {
    for (let at = 0; at < given.length; ) {
      const buffer = buffers[turn % buffers.length] as Buffer;
      const part = given.subarray(at, at + buffer.length - filled);
      buffer.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled === buffer.length) {
        yield buffer;
        turn += 1;
        filled = 0;
      }
    }
    release(given);
  }
  yield (buffers[turn % buffers.length] as Buffer).subarray(0, filled);
}

function makeBuffers(): readonly Buffer[] {
  return Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(CHUNK_LENGTH));
}
