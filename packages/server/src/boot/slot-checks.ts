import { equal } from "../crypto/kdf.ts";
import type { Store } from "../store/store.ts";
import { openSlot, readSlots } from "../vault/root.ts";
import { type Slot, slotDigest } from "../vault/slot.ts";
import type { Vault } from "../vault/vault.ts";
import type { SealSource } from "./configured-seals.ts";
import type { KeeperReport } from "./keeper-parts.ts";

const CHECK_EVERY_MS = 10 * 60_000;
/** After the start and after changes, of which several may come one after the other. */
const SOON_MS = 1_000;
const TIMEOUT_MS = 30_000;

/**
 * Opens each slot whose seal is configured, now and then, so that a seal which no longer opens is noticed while others
 * still do, and not when it is the only one left.
 */
export class SlotChecks {
  readonly #store: Store;
  readonly #seals: SealSource;
  readonly #vault: Pick<Vault, "root" | "slots">;
  readonly #report: KeeperReport;
  readonly #states = new Map<string, "opens" | "fails">();
  #failing: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #isChecking = false;
  /** Whether slots were changed since the last check began. */
  #isDue = false;

  constructor(store: Store, seals: SealSource, vault: Pick<Vault, "root" | "slots">, report: KeeperReport) {
    this.#store = store;
    this.#seals = seals;
    this.#vault = vault;
    this.#report = report;
  }

  /** Kinds of the seals that do not open their slot. */
  get failing(): readonly string[] {
    return this.#failing;
  }

  stateOf(id: string): "opens" | "fails" | undefined {
    return this.#states.get(id);
  }

  start(): void {
    this.#next(SOON_MS);
  }

  /** Checks again soon, since slots were changed. */
  soon(): void {
    this.#isDue = true;
    if (!this.#isChecking && !this.#stopped) {
      this.#next(SOON_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Checks all of them. */
  async check(): Promise<void> {
    const failing: string[] = [];
    const listed = new Set((await this.#vault.slots.list()).map(({ id }) => id));
    const slots = (await readSlots(this.#store)).filter(({ id }) => listed.has(id.toString("hex")));
    for (const slot of slots) {
      if (!this.#seals.has(slot.kind) || this.#stopped) {
        continue;
      }
      const id = slot.id.toString("hex");
      try {
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        const { root } = await openSlot(slot, await this.#seals.open(slot.kind), signal);
        const isSame = equal(root.key, this.#vault.root.key);
        root.wipe();
        if (!isSame) {
          throw new Error("the slot holds another root key");
        }
        this.#states.set(id, "opens");
      } catch (err) {
        if (this.#stopped) {
          return;
        }
        if (!(await this.#isStored(slot))) {
          // It was removed or wrapped anew while its seal was asked.
          continue;
        }
        this.#states.set(id, "fails");
        failing.push(slot.kind);
        this.#report.error({ seal: slot.kind, slot: id, err }, "a seal no longer opens its slot");
      }
    }
    this.#failing = [...new Set(failing)];
  }

  async #isStored(slot: Slot): Promise<boolean> {
    const digest = slotDigest(slot);
    return (await readSlots(this.#store)).some((stored) => equal(slotDigest(stored), digest));
  }

  #next(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isChecking = true;
      this.#isDue = false;
      this.check()
        .catch((err) => this.#report.error({ err }, "the seal slots were not checked"))
        .finally(() => {
          this.#isChecking = false;
          if (!this.#stopped) {
            this.#next(this.#isDue ? SOON_MS : CHECK_EVERY_MS);
          }
        });
    }, ms);
    this.#timer.unref();
  }
}
