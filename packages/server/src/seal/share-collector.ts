import type { KeyObject } from "node:crypto";
import { recipientOf } from "../crypto/hpke.ts";
import { equal, wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { combineShares } from "../crypto/shamir.ts";
import { SealFailure } from "./seal.ts";
import { hashOfShare, readShamirParameters, type ShamirParameters } from "./shamir.ts";
import { clusterFingerprint, parseShare, type Share, ShareError } from "./share.ts";

/** A Shamir slot of the vault that is to be opened. */
export interface ShamirSlot {
  readonly slotId: string;
  /** As in {@link readShamirParameters}. */
  readonly parameters: Uint8Array;
}

/** How far one set is. */
export interface ShareProgress {
  readonly slotId: string;
  /** The set's id in hexadecimal, 8 digits. */
  readonly set: string;
  /** How many different shares of it are here. */
  readonly provided: number;
  /** How many are needed. */
  readonly threshold: number;
  /** How many there are. */
  readonly shares: number;
}

/** What an accepted share did. */
export interface ShareAccepted extends ShareProgress {
  /** Of the share that completed its set: the seed, for `shamirOpener` of the slot. */
  readonly seed?: KeyObject;
}

/** How {@link ShareCollector} keeps time. */
export interface ShareCollectorOptions {
  /** A clock that only goes forwards, in milliseconds; that of the process unless given. */
  readonly now?: () => number;
  /** How long shares are kept after the last one that was accepted; ten minutes unless given. */
  readonly forgetAfterMs?: number;
}

interface Gathering {
  readonly slotId: string;
  readonly parameters: ShamirParameters;
  readonly shares: Map<number, Share>;
}

const TEN_MINUTES_MS = 600_000;

/**
 * Collects shares until one of a vault's Shamir slots can be opened. A share that is wrong, foreign or repeated is named as such
 * at once and changes nothing: the shares that are here stay. Each is compared with the hash of its set before it counts, so
 * that those which are here are right, and a set that has enough opens.
 *
 * It keeps secrets: shares, fewer than a set needs. They are zeroed when a set opens, after a time, and by {@link reset}.
 */
export class ShareCollector {
  readonly #fingerprint: Buffer;
  readonly #gatherings: readonly Gathering[];
  readonly #now: () => number;
  readonly #forgetAfterMs: number;
  #forgetAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param cluster The cluster's id.
   * @param slots All Shamir slots of the vault.
   * @throws SealFailure when a slot's parameters are none.
   */
  constructor(cluster: Uint8Array, slots: readonly ShamirSlot[], options: ShareCollectorOptions = {}) {
    this.#fingerprint = clusterFingerprint(cluster);
    this.#gatherings = slots.map(({ slotId, parameters }) => ({
      slotId,
      parameters: readShamirParameters(parameters),
      shares: new Map(),
    }));
    this.#now = options.now ?? (() => performance.now());
    this.#forgetAfterMs = options.forgetAfterMs ?? TEN_MINUTES_MS;
  }

  /**
   * Takes one share, in any of its forms.
   *
   * @returns How far its set is; with the seed when the set has enough. Then all shares of all sets are forgotten.
   * @throws ShareError that says what is wrong with the share.
   * @throws SealFailure when the slot is damaged: its shares are right and their seed is not that of its public key.
   */
  offer(text: string): ShareAccepted {
    this.#forgetWhenDue();
    const share = parseShare(text);
    let gathering: Gathering;
    try {
      gathering = this.#place(share);
    } catch (error) {
      wipe(share.value);
      throw error;
    }
    gathering.shares.set(share.index, share);
    const progress = progressOf(gathering);
    if (progress.provided < progress.threshold) {
      this.#rememberForAWhile();
      return progress;
    }
    try {
      return { ...progress, seed: open(gathering) };
    } finally {
      this.reset();
    }
  }

  /** How far each set is, in the order of the slots. */
  progress(): readonly ShareProgress[] {
    this.#forgetWhenDue();
    return this.#gatherings.map(progressOf);
  }

  /** Zeroes and forgets all shares. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#forgetAt = Number.POSITIVE_INFINITY;
    for (const { shares } of this.#gatherings) {
      for (const { value } of shares.values()) wipe(value);
      shares.clear();
    }
  }

  /** The set that the share belongs to. The checks go from what the whole share is to what is its own. */
  #place(share: Share): Gathering {
    const { fingerprint, set, index } = share;
    if (!equal(fingerprint, this.#fingerprint)) {
      throw new ShareError("foreign_cluster", `share ${index} is of another cluster`);
    }
    // Ids are random: two sets of one id are the rarest of chances, and then the hash decides.
    const known = this.#gatherings.filter(({ parameters }) => equal(parameters.set, set));
    if (known.length === 0) {
      throw new ShareError("unknown_set", `share ${index} opens nothing any more: the shares of its set were replaced`);
    }
    if (known.every(({ parameters }) => index > parameters.shares)) {
      throw new ShareError("index", `there is no share ${index} in its set`);
    }
    const hash = hashOfShare(share);
    const gathering = known.find(({ parameters }) => equal(parameters.hashes[index - 1] ?? Buffer.alloc(0), hash));
    if (gathering === undefined) {
      throw new ShareError("not_of_set", `share ${index} is not the one that was made for its set`);
    }
    if (gathering.shares.has(index)) {
      throw new ShareError("repeated", `share ${index} was offered already, and counts`);
    }
    return gathering;
  }

  /** The clock decides, since a timer may be late; the timer is there for when nobody asks. */
  #forgetWhenDue(): void {
    if (this.#now() >= this.#forgetAt) this.reset();
  }

  #rememberForAWhile(): void {
    clearTimeout(this.#timer);
    this.#forgetAt = this.#now() + this.#forgetAfterMs;
    this.#timer = setTimeout(() => this.reset(), this.#forgetAfterMs).unref();
  }
}

function progressOf({ slotId, parameters, shares }: Gathering): ShareProgress {
  const { set, threshold, shares: all } = parameters;
  return { slotId, set: set.toString("hex"), provided: shares.size, threshold, shares: all };
}

function open({ parameters, shares }: Gathering): KeyObject {
  const bytes = combineShares([...shares.values()]);
  const seed = secretKey(bytes);
  wipe(bytes);
  if (!equal(recipientOf(seed).spki, parameters.publicKey)) {
    throw new SealFailure("a Shamir slot is damaged: its shares are right, but do not open it");
  }
  return seed;
}
