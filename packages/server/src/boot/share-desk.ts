import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { randomBytes } from "../crypto/random.ts";
import { readShamirParameters, SHAMIR_KIND, shamirOpener } from "../seal/shamir.ts";
import { parseShare, ShareError } from "../seal/share.ts";
import { type ShamirSlot, type ShareAccepted, ShareCollector, type ShareProgress } from "../seal/share-collector.ts";
import { type OpenedRoot, openSlot } from "../vault/root.ts";
import type { SlotInfo } from "../vault/seal-slots.ts";
import type { Slot } from "../vault/slot.ts";
import { OfferLimits } from "./offer-limits.ts";

/** Shares enough for a slot. */
export interface CompleteShares {
  /** @throws SealFailure */
  open(signal: AbortSignal): Promise<OpenedRoot>;
}

/** How far an attempt at a root token is. */
export interface AttemptProgress {
  readonly attempt: string;
  readonly progress: number;
  readonly required: number;
  readonly isComplete: boolean;
}

interface Listed {
  readonly cluster: Buffer;
  readonly digest: string;
  readonly slots: readonly ShamirSlot[];
}

interface Attempt {
  readonly collector: ShareCollector;
  /** Which share began it. */
  readonly by: string;
}

const MAX_ATTEMPTS = 64;
const ATTEMPT_ID_LENGTH = 16;
const NO_PROGRESS = Object.freeze({ provided: 0, threshold: 0, shares: 0 });

/**
 * Where people bring their shares, for unsealing and for root tokens. Whoever has a share of this vault is let in by it;
 * nobody else can begin, end or disturb anything here, and wrong shares are limited by address.
 */
export class ShareDesk {
  readonly #limits = new OfferLimits(() => performance.now());
  /** As they lie in the store, where nobody vouches for them yet: what they open must be a vault that lists them. */
  #slots: readonly Slot[] = [];
  #unsealing: ShareCollector | undefined;
  #lastSlot = "";
  /** As the open vault lists them. */
  #listed: Listed | undefined;
  /** In the order in which they were begun. */
  readonly #attempts = new Map<string, Attempt>();

  /** The slots that unsealing is by. What was offered is forgotten when the sets of shares are others than before. */
  use(slots: readonly Slot[]): void {
    const cluster = commonCluster(slots);
    const shamir = slots.filter((slot) => slot.cluster.equals(cluster) && isSound(slot));
    const isSame = digestOf(shamir) === digestOf(this.#slots) && this.#unsealing !== undefined;
    // Also when the sets are the same: a rotation of the root key leaves them, and wraps the new key in their slots.
    this.#slots = shamir;
    if (!isSame) {
      this.#unsealing?.reset();
      this.#lastSlot = "";
      this.#unsealing = collectorOf(cluster, shamir.map(heldOf));
    }
  }

  /** The slots that root tokens are by: those that the open vault lists. Attempts end when they are others than before. */
  useListed(cluster: Buffer, slots: readonly SlotInfo[]): void {
    const shamir = slots.filter(isSound);
    if (this.#listed === undefined || digestOf(shamir) !== this.#listed.digest) {
      this.#endAttempts();
      this.#listed = { cluster, digest: digestOf(shamir), slots: shamir.map(heldOf) };
    }
  }

  /** Of the set that was last offered to, or of the first. */
  get progress(): { readonly threshold: number; readonly shares: number; readonly progress: number } {
    const all = this.#unsealing?.progress() ?? [];
    const { threshold, shares, provided } =
      all.find(({ slotId }) => slotId === this.#lastSlot) ?? all[0] ?? NO_PROGRESS;
    return { threshold, shares, progress: provided };
  }

  /** Takes a share for unsealing. @throws BunkmsError `invalid_share`, `too_many_requests` */
  offer(share: string, source: string): CompleteShares | undefined {
    const accepted = this.#accept(this.#unsealing, share, source);
    this.#lastSlot = accepted.slotId;
    return accepted.seed && { open: (signal) => this.#open(accepted, accepted.seed as KeyObject, signal) };
  }

  /** Forgets the shares that were offered for unsealing. @throws as `offer`, when it is asked for without a share. */
  reset(share: string, source: string): void {
    const [first] = this.#slots;
    const trial = first && collectorOf(first.cluster, this.#slots.map(heldOf));
    this.#accept(trial, share, source);
    trial?.reset();
    this.#unsealing?.reset();
  }

  /** Whether a share is one of the open vault's. @throws as `offer`, when it is not. */
  confirm(share: string, source: string): void {
    const trial = this.#listedCollector();
    this.#accept(trial, share, source);
    trial?.reset();
  }

  /**
   * Takes a share for a root token.
   * @param id The attempt's; empty to begin one. Each share has one attempt of its own beginning at a time.
   * @throws BunkmsError as `offer`; `invalid_request`
   */
  offerFor(id: string, share: string, source: string): AttemptProgress {
    if (id !== "") {
      const attempt = this.#attempts.get(id);
      if (attempt === undefined || isEmpty(attempt.collector)) {
        this.#attempts.delete(id);
        throw new BunkmsError("invalid_request", "attempt: it is over; begin another with a share alone");
      }
      return this.#advance(id, attempt.collector, this.#accept(attempt.collector, share, source));
    }
    const collector = this.#listedCollector();
    const accepted = this.#accept(collector, share, source);
    const { set, index, value } = parseShare(share);
    value.fill(0);
    const by = `${set.toString("hex")}/${index}`;
    this.#makeRoom(by);
    const begun = randomBytes(ATTEMPT_ID_LENGTH).toString("hex");
    this.#attempts.set(begun, { collector: collector as ShareCollector, by });
    return this.#advance(begun, collector as ShareCollector, accepted);
  }

  /** Zeroes all shares that are here. */
  forgetAll(): void {
    this.#unsealing?.reset();
    this.#lastSlot = "";
    this.#endAttempts();
    this.#listed = undefined;
  }

  #endAttempts(): void {
    for (const { collector } of this.#attempts.values()) {
      collector.reset();
    }
    this.#attempts.clear();
  }

  #advance(id: string, collector: ShareCollector, { provided, threshold, seed }: ShareAccepted): AttemptProgress {
    if (seed !== undefined) {
      collector.reset();
      this.#attempts.delete(id);
    }
    return { attempt: id, progress: provided, required: threshold, isComplete: seed !== undefined };
  }

  /** The share's own attempt before is over, and so are the oldest when there are too many. */
  #makeRoom(by: string): void {
    for (const [id, attempt] of this.#attempts) {
      if (attempt.by === by || isEmpty(attempt.collector) || this.#attempts.size >= MAX_ATTEMPTS) {
        attempt.collector.reset();
        this.#attempts.delete(id);
      }
    }
  }

  #accept(collector: ShareCollector | undefined, share: string, source: string): ShareAccepted {
    try {
      if (collector !== undefined) {
        return collector.offer(share);
      }
    } catch (error) {
      if (!(error instanceof ShareError)) {
        throw error;
      }
      // Whoever offers his share twice has one.
      if (error.reason === "repeated") {
        throw new BunkmsError("invalid_share", error.message);
      }
      // A right share is taken from whichever address it comes: others behind the same one must not be in its way.
      this.#limits.admit(source);
      this.#limits.countWrong(source);
      throw new BunkmsError("invalid_share", error.message);
    }
    throw new BunkmsError("invalid_share", "no seal slot of this vault has shares");
  }

  async #open({ slotId }: ShareAccepted, seed: KeyObject, signal: AbortSignal): Promise<OpenedRoot> {
    const slot = this.#slots.find((candidate) => idOf(candidate) === slotId) as Slot;
    return openSlot(slot, shamirOpener(slot.parameters, seed), signal);
  }

  #listedCollector(): ShareCollector | undefined {
    return this.#listed && collectorOf(this.#listed.cluster, this.#listed.slots);
  }
}

function collectorOf(cluster: Buffer, slots: readonly ShamirSlot[]): ShareCollector | undefined {
  return slots.length === 0 ? undefined : new ShareCollector(cluster, slots);
}

/** Whether it is a slot with shares, and undamaged: another one must not keep it from opening. */
function isSound({ kind, parameters }: Pick<SlotInfo, "kind" | "parameters">): boolean {
  if (kind !== SHAMIR_KIND) {
    return false;
  }
  try {
    readShamirParameters(parameters);
    return true;
  } catch {
    return false;
  }
}

/** The cluster of most slots: one that somebody put beside them does not decide. */
function commonCluster(slots: readonly Slot[]): Buffer {
  const count = (cluster: Buffer): number => slots.filter((slot) => slot.cluster.equals(cluster)).length;
  const clusters = slots.map(({ cluster }) => cluster);
  return clusters.toSorted((a, b) => count(b) - count(a))[0] ?? Buffer.alloc(0);
}

function isEmpty(collector: ShareCollector): boolean {
  return collector.progress().every(({ provided }: ShareProgress) => provided === 0);
}

function idOf({ id }: Slot | SlotInfo): string {
  return typeof id === "string" ? id : id.toString("hex");
}

function heldOf(slot: Slot | SlotInfo): ShamirSlot {
  return { slotId: idOf(slot), parameters: slot.parameters };
}

function digestOf(slots: readonly (Slot | SlotInfo)[]): string {
  return slots.map((slot) => `${idOf(slot)}:${slot.parameters.toString("base64")}`).join();
}
