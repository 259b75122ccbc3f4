import { BunkmsError } from "@bunkms/contract";
import type { Ending } from "../crypto/pool.ts";

/** Work in bulk has so much of each turn of the event loop. */
const SLICE_MS = 2;

// One slice for the process: however many batches there are, a turn of the event loop takes no longer.
const waiting: { readonly owner: TimeSlices; readonly wake: () => void }[] = [];
let scheduled = false;
let owner: TimeSlices | undefined;
let ends = 0;

/**
 * Work in bulk of one kind, one piece after the other. Of each turn of the event loop, 2 ms go to such work: to one who
 * waits after the other.
 */
export class TimeSlices {
  readonly #ending: Ending;

  /** @param ending Of the call that the work is for. */
  constructor(ending: Ending) {
    this.#ending = ending;
  }

  /** Whether the work may go on now, without waiting. No ending is looked for: nobody else had a turn to bring one. */
  mayGoOn(): boolean {
    return owner === this && performance.now() < ends;
  }

  /**
   * Waits until the work may go on: to be called before each piece of it that is done on this thread.
   * @throws BunkmsError why the call is no longer wanted: `cancelled`, `deadline_exceeded`, `sealed`.
   */
  async next(): Promise<void> {
    refuseAborted(this.#ending);
    if (this.mayGoOn()) {
      return;
    }
    await new Promise<void>((resolve) => {
      waiting.push({ owner: this, wake: resolve });
      schedule();
    });
    refuseAborted(this.#ending);
  }
}

/** @throws BunkmsError why the call is no longer wanted. */
export function refuseAborted(ending: Ending): void {
  if (ending.aborted) {
    const { reason } = ending;
    throw reason instanceof BunkmsError ? reason : new BunkmsError("cancelled");
  }
}

function schedule(): void {
  if (!scheduled) {
    scheduled = true;
    // Both run in the same turn of the event loop, and between them all that the first one's promise leads to.
    setImmediate(beginSlice);
    setImmediate(endSlice);
  }
}

function beginSlice(): void {
  const first = waiting.shift();
  owner = first?.owner;
  ends = performance.now() + SLICE_MS;
  first?.wake();
}

function endSlice(): void {
  owner = undefined;
  scheduled = false;
  if (waiting.length > 0) {
    schedule();
  }
}
