import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { ENTRY_OBJECT_START, isEntryObject } from "./entry-line.ts";
import { PlaceRefused } from "./file-place.ts";
import { DeliveryFailed, MAX_BATCH_BYTES } from "./sink.ts";

/** More than what was written and not yet remembered: one batch, with what is around its entries. */
const TAIL_BYTES = 2 * MAX_BATCH_BYTES;
const LINE_END = 0x0a;
const FOREIGN = "does not end with audit entries: it is somebody else's, and is left alone";
/** As the sink opens it, but to read alone. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The end of a file of this sink. */
interface Tail {
  /** Whole lines, without their line ends, as latin1. */
  readonly lines: readonly string[];
  /** Where they end. What follows is a torn line. */
  readonly end: number;
  /** Length of the file. */
  readonly size: number;
}

/**
 * Looks at the end of a file that may be there, before anything is written.
 * @throws PlaceRefused when it is not one of this sink.
 */
export async function checkTail(path: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, READ_FLAGS);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      return;
    }
    throw new PlaceRefused(`${path} cannot be read (${code}): whether it is this sink's own is told by its end`);
  }
  try {
    if ((await readTail(handle)) === undefined) {
      throw new PlaceRefused(`${path} ${FOREIGN}`);
    }
  } finally {
    await handle.close();
  }
}

/**
 * Makes a file's end whole after a crash: cuts off a line that is torn.
 * @returns The lines at its end, without their line ends, as latin1. What is about to be written may be among them.
 * @throws DeliveryFailed when the file is not one of this sink: then nothing was changed.
 */
export async function recoverTail(handle: FileHandle): Promise<ReadonlySet<string>> {
  const tail = await readTail(handle);
  if (tail === undefined) {
    throw new DeliveryFailed(`the audit file ${FOREIGN}`, { needsMending: true });
  }
  if (tail.end < tail.size) {
    await handle.truncate(tail.end);
  }
  return new Set(tail.lines);
}

/** The end of a file; undefined when it is not one of this sink. */
async function readTail(handle: FileHandle): Promise<Tail | undefined> {
  const { size } = await handle.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const tail = await readAt(handle, start, size - start);
  const whole = tail.lastIndexOf(LINE_END) + 1;
  const lines = tail.subarray(0, whole).toString("latin1").split("\n").slice(0, -1);
  const last = lines.at(-1);
  const isOwn = last === undefined ? start === 0 && beginsAsEntry(tail) : isEntryObject(last);
  return isOwn ? { lines, end: start + whole, size: start + tail.length } : undefined;
}

/** Whether a piece without a line end can be the beginning of the first line. */
function beginsAsEntry(piece: Buffer): boolean {
  const text = piece.subarray(0, ENTRY_OBJECT_START.length).toString("latin1");
  return ENTRY_OBJECT_START.startsWith(text);
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) {
      break;
    }
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
