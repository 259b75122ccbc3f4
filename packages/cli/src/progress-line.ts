import type { Io } from "./io.ts";

const INTERVAL_MS = 200;
const CLEAR_LINE = "\r\x1b[K";

/** One line on a terminal that says how far something is. Elsewhere nothing is shown. */
export class ProgressLine {
  readonly #io: Io;
  /** When it was made, in milliseconds since 1970. */
  readonly begin: number;
  #shownAt: number;
  #isShown = false;

  constructor(io: Io) {
    this.#io = io;
    this.begin = io.now().getTime();
    this.#shownAt = this.begin;
  }

  /** Replaces the line, five times a second at most. @param describe Called when it is shown, with the time since 1970. */
  show(describe: (now: number) => string): void {
    const now = this.#io.now().getTime();
    if (!this.#io.stderr.isTTY || now - this.#shownAt < INTERVAL_MS) {
      return;
    }
    this.#shownAt = now;
    this.#isShown = true;
    this.#io.stderr.write(`${CLEAR_LINE}${describe(now)}`);
  }

  /** Takes the line away, before something else is written and in the end. */
  end(): void {
    if (this.#isShown) {
      this.#isShown = false;
      this.#io.stderr.write(CLEAR_LINE);
    }
  }
}
