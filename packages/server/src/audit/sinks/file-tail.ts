import type { FileHandle } from "node:fs/promises";
import { ENTRY_OBJECT_START, isEntryObject } from "./entry-line.ts";
import { DeliveryFailed, MAX_BATCH_BYTES } from "./sink.ts";

/** More than what was written and not yet remembered: one batch, with what is around its entries. */
const TAIL_BYTES = 2 * MAX_BATCH_BYTES;
const LINE_END = 0x0a;

/**
 * Makes a file's end whole after a crash: cuts off a line that is torn.
 * @returns The lines at its end, without their line ends, as latin1. What is about to be written may be among them.
 * @throws DeliveryFailed when the file is not one of this sink: then nothing was changed.
 */
export async function recoverTail(handle: FileHandle): Promise<ReadonlySet<string>> {
  const { size } = await handle.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const tail = await readAt(handle, start, size - start);
  const whole = tail.lastIndexOf(LINE_END) + 1;
  const lines = tail.subarray(0, whole).toString("latin1").split("\n").slice(0, -1);
  const last = lines.at(-1);
  if (last === undefined ? start > 0 || !beginsAsEntry(tail) : !isEntryObject(last)) {
    throw new DeliveryFailed("the file does not end with audit entries: it is somebody else's, and is left alone", {
      needsMending: true,
    });
  }
  if (whole < tail.length) {
    await handle.truncate(start + whole);
  }
  return new Set(lines);
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
