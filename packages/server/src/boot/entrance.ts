import { BunkmsError } from "@bunkms/contract";
import type { Plan } from "../vault/plan.ts";
import type { Root } from "../vault/root.ts";
import type { Unsealed } from "./unseal.ts";

/** A vault that is about to be open: once its entry is recorded, with the changes of a plan if there is one. */
interface Entering {
  readonly unsealed: Unsealed;
  /** The seal that it is opened or made with. */
  readonly kind: string;
  readonly entry: Buffer;
  readonly plan?: Plan<unknown>;
  /** Called when it is open. */
  readonly entered?: () => void;
}

/** The one way to an open vault: it is opened or made by one at a time, and open once that is recorded. */
export class Entrance {
  readonly #onOpen: (unsealed: Unsealed, kind: string) => void;
  #isTaken = false;
  #openings = 0;
  #isClosed = false;
  #recording: Promise<void> = Promise.resolve();

  /** @param onOpen Given the vault that is open from now on, and the seal's kind. */
  constructor(onOpen: (unsealed: Unsealed, kind: string) => void) {
    this.#onOpen = onOpen;
  }

  /** Whether somebody is just opening the vault, which may fail yet. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** How often a vault was opened: whoever waited for a seal meanwhile comes too late. */
  get openings(): number {
    return this.#openings;
  }

  /** One opening or making at a time. @throws BunkmsError `conflict`; what the work throws. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isTaken) {
      throw new BunkmsError("conflict");
    }
    this.#isTaken = true;
    try {
      return await work();
    } catch (error) {
      this.#isTaken = false;
      throw error;
    }
  }

  /** A plan that, once it is committed, makes this the open vault; if it never is, its keys are forgotten. */
  adopting(unsealed: Unsealed, kind: string, inner?: Plan<unknown>): Plan<unknown> {
    let adopted = false;
    return {
      result: inner?.result,
      changes: inner?.changes ?? [],
      committed: (written) => {
        inner?.committed(written);
        adopted = true;
        this.#isTaken = false;
        this.#openings += 1;
        this.#onOpen(unsealed, kind);
      },
      discard: () => {
        inner?.discard();
        if (!adopted) {
          this.#isTaken = false;
          unsealed.vault.root.wipe();
        }
      },
    };
  }

  /**
   * Opens or makes the vault by the server's own doing, unless shares opened it meanwhile, or all ends. It may even be
   * sealed again by now, which is not for a late answer of a seal to undo.
   * @param since The number of openings before the seal was asked.
   * @param root What came of it; wiped when it is not used.
   * @returns False when shares are just opening it, which may fail yet.
   */
  async enter(since: number, root: Root, work: () => Promise<Entering>): Promise<boolean> {
    if (this.#openings !== since || this.#isTaken || this.#isClosed) {
      root.wipe();
      return this.#openings !== since;
    }
    this.#recording = this.alone(async () => {
      const { unsealed, kind, entry, plan, entered } = await work();
      const adopting = this.adopting(unsealed, kind, plan);
      try {
        await unsealed.committer.submit(entry, adopting);
      } finally {
        adopting.discard();
      }
      entered?.();
    });
    await this.#recording;
    return true;
  }

  /** Nobody enters any more. Waits for who is just being recorded, for whom a root token may have to be shown yet. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#recording.catch(() => {});
  }
}
