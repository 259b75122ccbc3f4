import { SealFailure, SealUnavailable } from "../seal/seal.ts";
import { StoreUnavailable } from "../store/store.ts";
import type { Slot } from "../vault/slot.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import type { KeeperReport } from "./keeper-parts.ts";

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/**
 * What a try came to: the kinds of the seals that could not be reached; none, when another try would be of no use; or
 * shares were just opening the vault, which may fail yet.
 */
type Tried = readonly string[] | "overtaken";

/** What opening by itself works with. */
interface OwnOpeningParts {
  readonly seals: SealSource;
  /** The vault's slots; undefined while there is no vault. @throws StoreUnavailable */
  readonly find: () => Promise<readonly Slot[] | undefined>;
  /** Makes the vault, where shares are not among its seals. @returns The kinds of the seals that could not be reached. */
  readonly make: () => Promise<readonly string[]>;
  /**
   * Opens the vault with a seal.
   * @returns False when shares are just opening it, which may fail yet.
   */
  readonly openWith: (kind: OwnSealKind) => Promise<boolean>;
  readonly isOpen: () => boolean;
  readonly report: KeeperReport;
}

/**
 * Opens the vault with the first of the configured seals that can, or makes it where there is none, and waits for seals
 * that cannot be reached.
 */
export class OwnOpening {
  readonly #parts: OwnOpeningParts;
  #unavailable: readonly string[] = [];
  #isWaiting = false;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Goes up when the vault was opened or all ends: what a try finds out after that is of no matter any more. */
  #round = 0;

  constructor(parts: OwnOpeningParts) {
    this.#parts = parts;
  }

  /** Whether another try is to come. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Kinds of the seals that could not be reached in the last try. */
  get unavailable(): readonly string[] {
    return this.#unavailable;
  }

  /**
   * @throws SealFailure when no configured seal opens a slot and there are no shares to wait for; what `openWith` and
   * `make` throw.
   */
  async begin(): Promise<void> {
    await this.#try(FIRST_RETRY_MS);
  }

  /** Waits for nothing any more: the vault is open. */
  end(): void {
    clearTimeout(this.#retry);
    this.#round += 1;
    this.#isWaiting = false;
    this.#unavailable = [];
  }

  close(): void {
    this.#isClosed = true;
    this.#round += 1;
    clearTimeout(this.#retry);
  }

  /** @param retryMs After which the next try is, if a seal is down. */
  async #try(retryMs: number): Promise<void> {
    const { find, make, report } = this.#parts;
    const round = this.#round;
    const isCurrent = (): boolean => round === this.#round;
    let tried: Tried;
    try {
      const slots = await find();
      tried = slots === undefined ? await make() : await this.#open(slots, isCurrent);
    } catch (error) {
      if (isCurrent()) {
        throw error;
      }
      return;
    }
    if (!isCurrent()) {
      return;
    }
    if (tried !== "overtaken") {
      this.#unavailable = tried;
      this.#isWaiting = tried.length > 0;
      if (!this.#isWaiting) {
        return;
      }
      report.warn({ seals: tried, retry_ms: retryMs }, "waiting for seals that cannot be reached");
    }
    this.#retryAfter(retryMs);
  }

  async #open(slots: readonly Slot[], isCurrent: () => boolean): Promise<Tried> {
    const { seals, report, openWith } = this.#parts;
    const unavailable: string[] = [];
    let failure: unknown;
    for (const kind of seals.kinds.filter((candidate) => slots.some((slot) => slot.kind === candidate))) {
      try {
        return (await openWith(kind)) ? [] : "overtaken";
      } catch (err) {
        if (!isCurrent()) {
          // Somebody was quicker. It may even be sealed again by now, which is not for a late failure to undo.
          return [];
        }
        if (err instanceof SealUnavailable) {
          unavailable.push(kind);
        } else if (err instanceof SealFailure) {
          failure ??= err;
        } else {
          throw err;
        }
        report.warn({ seal: kind, err }, "a seal did not open the vault");
      }
    }
    if (unavailable.length === 0) {
      if (!slots.some(({ kind }) => kind === "shamir")) {
        throw failure ?? noSeal(slots);
      }
      report.warn({}, "the vault is sealed and waits for shares");
    }
    return unavailable;
  }

  #retryAfter(ms: number): void {
    if (!this.#isClosed) {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => void this.#tryAgain(ms), ms);
    }
  }

  async #tryAgain(waitedMs: number): Promise<void> {
    if (this.#parts.isOpen() || this.#isClosed) {
      return;
    }
    const nextMs = Math.min(2 * waitedMs, LAST_RETRY_MS);
    try {
      await this.#try(nextMs);
    } catch (err) {
      if (err instanceof StoreUnavailable) {
        this.#parts.report.error({ err }, "the vault was not opened");
        this.#retryAfter(nextMs);
      } else {
        // Another try would end the same way.
        this.#parts.report.error({ err }, "the vault was not opened, and is not tried again before another start");
        this.#isWaiting = false;
      }
    }
  }
}

function noSeal(slots: readonly Slot[]): SealFailure {
  const kinds = slots.map(({ kind }) => kind).join(", ");
  return new SealFailure(
    kinds === ""
      ? "no seal slot of this vault can be read: damaged, or of a newer version; nothing was changed"
      : `there are no settings for any of the seal slots of this vault (slots: ${kinds}); nothing was changed`,
  );
}
