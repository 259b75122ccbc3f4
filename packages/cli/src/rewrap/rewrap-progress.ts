import type { Io } from "../io.ts";
import { ProgressLine } from "../progress-line.ts";

/** Shows on a terminal how far a file is. Elsewhere it shows nothing. */
export class RewrapProgress {
  readonly #line: ProgressLine;
  readonly #total: number;
  #first: number | undefined;

  /** @param total Bytes of the file. */
  constructor(io: Io, total: number) {
    this.#line = new ProgressLine(io);
    this.#total = total;
  }

  /** @param ciphertexts How many are done, those of runs before too. */
  show(offset: number, ciphertexts: number): void {
    this.#first ??= ciphertexts;
    const done = ciphertexts - this.#first;
    this.#line.show((now) => {
      const percent = Math.floor((offset / Math.max(1, this.#total)) * 100);
      const rate = Math.round((done * 1000) / (now - this.#line.begin));
      return `${percent} %, ${ciphertexts} ciphertexts, ${rate}/s`;
    });
  }

  /** Takes the line away, before something else is written and in the end. */
  end(): void {
    this.#line.end();
  }
}
