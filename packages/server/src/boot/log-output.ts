import { write, writeSync } from "node:fs";

/** How a file descriptor is written to: as node:fs does. */
export interface LogSystem {
  write(
    fd: number,
    bytes: Buffer,
    offset: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
  writeSync(fd: number, bytes: Buffer, offset: number): number;
}

const NODE: LogSystem = {
  write: (fd, bytes, offset, done) => write(fd, bytes, offset, done),
  writeSync,
};

/** Characters of lines that wait while others are written: some seconds of them at full load. What comes beyond is lost. */
const MAX_WAITING = 16 * 1024 * 1024;
/** A pipe that is full, whose reader may go on. */
const BUSY = "EAGAIN";
/**
 * So long a full pipe is waited for, at first and at most. It takes 64 KiB at once: if each of them waited for the most, a reader that
 * paused once would stay behind for as long as the load lasts.
 */
const FIRST_BUSY_MS = 1;
const BUSY_MS = 100;
/** So often a full pipe is tried, after the shortest wait each time, when the process ends: that may take a second longer. */
const LAST_TRIES = 1000;
const LINE_END = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * Where log lines go. Those that cannot be written, since the disk is full, the terminal was closed or nobody reads the pipe, are
 * lost, and counted in the log as soon as it takes lines again. The server goes on: it answers for its audit log, not for this one.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #system: LogSystem;
  #waiting: string[] = [];
  #length = 0;
  #isWriting = false;
  /** What a full pipe did not take yet, while it is waited for. */
  #refused: Buffer = NOTHING;
  #lost = 0;
  /** Whether the last line that was written is without its end. */
  #isTorn = false;

  constructor(fd: number, system: LogSystem = NODE) {
    this.#fd = fd;
    this.#system = system;
  }

  /** Takes a line with its end. */
  write(line: string): void {
    if (this.#length + line.length > MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#length += line.length;
    if (!this.#isWriting) {
      this.#writeWaiting();
    }
  }

  /** Writes what waits before the process ends, or gives up. What is being written just then, Node waits for. */
  writeLast(): void {
    const bytes = Buffer.concat([this.#refused, this.#take().bytes]);
    let offset = 0;
    for (let tries = 0; offset < bytes.length && tries < LAST_TRIES; ) {
      try {
        offset += this.#system.writeSync(this.#fd, bytes, offset);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== BUSY) {
          return;
        }
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FIRST_BUSY_MS);
      }
    }
  }

  #writeWaiting(): void {
    const { bytes, lines } = this.#take();
    this.#isWriting = true;
    this.#writeFrom(bytes, 0, lines);
  }

  #writeFrom(bytes: Buffer, offset: number, lines: number, busyMs = FIRST_BUSY_MS): void {
    this.#refused = NOTHING;
    this.#system.write(this.#fd, bytes, offset, (error, written) => {
      if (error?.code === BUSY) {
        this.#refused = bytes.subarray(offset);
        setTimeout(() => this.#writeFrom(bytes, offset, lines, Math.min(2 * busyMs, BUSY_MS)), busyMs).unref();
        return;
      }
      const end = error === null ? offset + written : offset;
      if (end > 0) {
        this.#isTorn = bytes[end - 1] !== LINE_END;
      }
      if (error === null && end < bytes.length) {
        this.#writeFrom(bytes, end, lines);
        return;
      }
      if (error !== null) {
        this.#lost += lines;
      }
      this.#isWriting = false;
      if (this.#waiting.length > 0) {
        this.#writeWaiting();
      }
    });
  }

  /** All that waits, after a line that says how many were lost before. @returns How many are lost if this is. */
  #take(): { readonly bytes: Buffer; readonly lines: number } {
    const text = this.#waiting.join("");
    const lines = this.#lost + this.#waiting.length;
    const notice = this.#lost === 0 ? "" : `${this.#isTorn ? "\n" : ""}${lostLine(this.#lost)}\n`;
    this.#waiting = [];
    this.#length = 0;
    this.#lost = 0;
    return { bytes: Buffer.from(notice + text), lines };
  }
}

function lostLine(lines: number): string {
  return JSON.stringify({ level: 40, time: new Date().toISOString(), lines, msg: "lines of this log were lost" });
}
