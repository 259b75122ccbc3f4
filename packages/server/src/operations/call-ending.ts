import { BunkmsError } from "@bunkms/contract";
import type { Ending } from "../crypto/pool.ts";

/** When nobody wants a call's answer any more: its caller is gone, or the vault is sealed and no answer may leave. */
export class CallEnding implements Ending {
  readonly #caller: Ending;
  readonly #isSealed: () => boolean;

  /**
   * @param caller Aborted when the caller does not wait any more.
   * @param isSealed Whether the vault is sealed, or opened anew, that the call began with.
   */
  constructor(caller: Ending, isSealed: () => boolean) {
    this.#caller = caller;
    this.#isSealed = isSealed;
  }

  get aborted(): boolean {
    return this.#caller.aborted || this.#isSealed();
  }

  get reason(): unknown {
    return this.#caller.aborted ? this.#caller.reason : new BunkmsError("sealed");
  }
}
