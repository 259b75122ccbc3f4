import type { Io } from "../io.ts";

const INTERVAL_MS = 200;
const CLEAR_LINE = "\r\x1b[K";

/** Shows on a terminal how far a file is. Elsewhere it shows nothing. */
export class RewrapProgress {
  readonly #io: Io;
  readonly #total: number;
  readonly #begin: number;
  #first: number | undefined;
  #shownAt: number;
  #isShown = false;

  /** @param total Bytes of the file. */
  constructor(io: Io, total: number) {
    this.#io = io;
    this.#total = total;
    this.#begin = io.now().getTime();
    this.#shownAt = this.#begin;
  }

  /** @param ciphertexts How many are done, those of runs before too. */
  show(offset: number, ciphertexts: number): void {
    this.#first ??= ciphertexts;
    const now = this.#io.now().getTime();
    if (!this.#io.stderr.isTTY || now - this.#shownAt < INTERVAL_MS) {
      return;
    }
    this.#shownAt = now;
    this.#isShown = true;
    const percent = Math.floor((offset / Math.max(1, this.#total)) * 100);
    const rate = Math.round(((ciphertexts - this.#first) * 1000) / (now - this.#begin));
    this.#io.stderr.write(`${CLEAR_LINE}${percent} %, ${ciphertexts} ciphertexts, ${rate}/s`);
  }

  /** Takes the line away, before something else is written and in the end. */
  end(): void {
    if (this.#isShown) {
      this.#isShown = false;
      this.#io.stderr.write(CLEAR_LINE);
    }
  }
}
