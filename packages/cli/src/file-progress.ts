import type { Io } from "./io.ts";
import { ProgressLine } from "./progress-line.ts";

const MIB = 1024 * 1024;

/**
 * Passes chunks on, and while they pass shows on a terminal how far it is. Elsewhere it shows nothing.
 * @param total Bytes, if known.
 */
export async function* withProgress(
  io: Io,
  chunks: AsyncIterable<Uint8Array>,
  total: number | undefined,
): AsyncGenerator<Uint8Array> {
  const line = new ProgressLine(io);
  let done = 0;
  try {
    for await (const chunk of chunks) {
      yield chunk;
      done += chunk.length;
      line.show((now) => describe(done, total, (now - line.begin) / 1000));
    }
  } finally {
    line.end();
  }
}

function describe(done: number, total: number | undefined, seconds: number): string {
  const rate = `${(done / MIB / seconds).toFixed(0)} MiB/s`;
  if (total === undefined || total === 0) {
    return `${mib(done)} MiB, ${rate}`;
  }
  // A file may grow while it is read.
  const percent = Math.min(100, Math.floor((done / total) * 100));
  return `${percent} % of ${mib(total)} MiB, ${rate}`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
