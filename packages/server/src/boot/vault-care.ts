import type { Store } from "../store/store.ts";
import type { SealSource } from "./configured-seals.ts";
import type { KeeperReport } from "./keeper-parts.ts";
import { ResealTask } from "./reseal-task.ts";
import { SlotChecks } from "./slot-checks.ts";
import type { Unsealed } from "./unseal.ts";
import type { Position, Witness } from "./witness.ts";

const REMEMBER_EVERY_MS = 1_000;

/** What an open vault's care works with. */
interface VaultCareParts {
  readonly store: Store;
  readonly seals: SealSource;
  readonly clock: () => number;
  readonly report: KeeperReport;
  readonly witness?: Witness | undefined;
}

/** What goes on around a vault while it is open: slots are checked, records sealed anew, and its position remembered. */
export class VaultCare {
  readonly reseal: ResealTask;
  readonly checks: SlotChecks;
  readonly #unsealed: Unsealed;
  readonly #parts: VaultCareParts;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the last position was not written: said once, not every second. */
  #isForgetting = false;
  /** Whether the last checkpoint was not written, likewise. */
  #isUnsigned = false;

  constructor(unsealed: Unsealed, parts: VaultCareParts) {
    const { store, seals, clock, report } = parts;
    this.#unsealed = unsealed;
    this.#parts = parts;
    this.reseal = new ResealTask(unsealed, clock, (err) => report.error({ err }, "sealing records anew failed"));
    this.checks = new SlotChecks(store, seals, unsealed.vault, report);
  }

  start(): void {
    this.#unsealed.vault.records.damage.onFound((err) =>
      this.#parts.report.warn({ err }, "a damaged record was found"),
    );
    this.#timer = setInterval(() => void this.signAndRemember(), REMEMBER_EVERY_MS);
    this.#timer.unref();
    this.reseal.start();
    this.checks.start();
    this.#unsealed.index.start((err) =>
      this.#parts.report.error({ err }, "the audit log's search index is incomplete"),
    );
  }

  /** Ends it, once what is under way is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.checks.stop();
    await this.#unsealed.index.stop();
    await this.reseal.stop();
  }

  /** Ends it for a vault that was sealed just now, and says so if its last entries could not be signed. */
  async stopSealed(): Promise<void> {
    const { log, checkpoints } = this.#unsealed;
    const entries = log.frontier.size;
    const signed = checkpoints.size;
    if (signed < entries) {
      this.#parts.report.warn(
        { entries, signed },
        "the last audit entries are without a checkpoint until the next start",
      );
    }
    await this.stop();
  }

  /** Signs a checkpoint over what is in the log, and writes how far the vault is to the witness file. */
  async signAndRemember(): Promise<void> {
    try {
      await this.#unsealed.committer.checkpoint();
      this.#isUnsigned = false;
    } catch (err) {
      if (!this.#isUnsigned) {
        this.#parts.report.error({ err }, "the audit log's checkpoint cannot be written");
      }
      this.#isUnsigned = true;
    }
    await this.remember();
  }

  /** Writes how far the vault is to the witness file. */
  async remember(): Promise<void> {
    const { witness, report } = this.#parts;
    try {
      await witness?.remember(this.#unsealed.vault, positionOf(this.#unsealed));
      this.#isForgetting = false;
    } catch (err) {
      if (!this.#isForgetting) {
        report.error({ err }, "the witness file cannot be written: an older copy of the vault may go unnoticed");
      }
      this.#isForgetting = true;
    }
  }
}

export function positionOf({ vault, log }: Pick<Unsealed, "vault" | "log">): Position {
  return { generation: vault.records.generation, entries: log.frontier.size };
}
