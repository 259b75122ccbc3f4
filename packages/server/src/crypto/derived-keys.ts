import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { equal, wipe } from "./kdf.ts";
import type { OpenedVersion } from "./key-type.ts";
import { randomBytes } from "./random.ts";
import { COMMITTING } from "./suites.ts";

/** Bytes of a salt. */
export const SALT_LENGTH = 32;
/** Bytes of a key commitment. */
export const COMMITMENT_LENGTH = 32;

const SUITE = Buffer.of(COMMITTING.number >> 8, COMMITTING.number & 0xff);
const DERIVE_INFO = Buffer.concat([SUITE, Buffer.from("DERIVEKEY", "ascii")]);
const COMMIT_INFO = Buffer.from("COMMITKEY", "ascii");

/**
 * How much one salt may serve. Nonces under one derived key are 12 random bytes, so among q messages two nonces are equal
 * with a chance below q²/2^97: 2^-65 for 2^16 messages. A key version used for N messages has N/2^16 such salts (which do
 * not meet: they are 32 random bytes), in sum N/2^81, which reaches NIST's limit of 2^-32 (SP 800-38D section 8.3) at
 * 2^49 messages, seventeen years of a million a second. A larger count would save nothing: two derivations spread over
 * 65,536 messages already cost less than a nanosecond each.
 *
 * The count is kept in memory, so what about copies of this memory? A fork does not happen: Node starts children and
 * cluster workers by exec, and a worker thread has modules, and so salts, of its own. A cloned or resumed virtual
 * machine does copy salt and count, but every message has its nonce from the kernel (random.ts, nonce-lot.ts), which differs between
 * clones or is the same message's; c clones then make at most c·2^16 messages under this salt, a chance of c²·2^-65. The bound of seconds makes
 * even that short.
 */
export const MESSAGES_PER_SALT = 2 ** 16;
/** See {@link MESSAGES_PER_SALT}. Monotonic time, so that setting the clock changes nothing. */
export const MILLISECONDS_PER_SALT = 30_000;

// So many, because a key that derives keys has a sender for each encryption context.
const MOST_SENDERS = 4096;
const MOST_RECEIVERS = 4096;

/** What a salt makes of a key version: the key that encrypts, and the commitment to the key version. */
interface Derived {
  readonly key: KeyObject;
  readonly commitment: Buffer;
}

/** A salt in use for encrypting. */
export interface Sender extends Derived {
  readonly salt: Buffer;
}

interface Cached {
  readonly version: OpenedVersion;
  readonly derived: Sender;
  /** Messages that it may still serve. */
  left: number;
  /** When it was derived, and {@link MILLISECONDS_PER_SALT}; in milliseconds of `performance.now()`. */
  readonly until: number;
}

/**
 * The derived keys of one process: those it encrypts with now, and those it decrypted with lately. Memory of a dropped
 * key is cleared by OpenSSL when the KeyObject is collected; we cannot do it sooner.
 *
 * Whenever a key is derived, those that were not used for {@link MILLISECONDS_PER_SALT} are dropped. A process in which
 * nothing is derived any more keeps what it has until {@link DerivedKeys.forget}. That gives nothing away: a key version
 * that was opened is kept in memory, too, and makes them all.
 */
export class DerivedKeys {
  readonly #senders = new Map<string, Cached>();
  readonly #receivers = new Map<string, Cached>();
  readonly #now: () => number;

  /** @param now Monotonic milliseconds; tests pass their own clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The salt and keys for the next message of this key version. */
  sender(version: OpenedVersion): Sender {
    const slot = versionSlot(version);
    const cached = this.#senders.get(slot);
    if (cached && cached.left > 0 && this.#now() < cached.until && sameKey(cached.version, version)) {
      cached.left -= 1;
      return cached.derived;
    }
    const salt = randomBytes(SALT_LENGTH);
    const fresh = { ...derive(version.key, salt), salt };
    const until = this.#dropIdle();
    remember(this.#senders, MOST_SENDERS, slot, { version, derived: fresh, left: MESSAGES_PER_SALT - 1, until });
    return fresh;
  }

  /**
   * The key that decrypts messages of this salt, or undefined when the commitment is not that of this key version: then
   * the message was made with another key, whatever its tag says.
   */
  receiver(version: OpenedVersion, salt: Uint8Array, commitment: Uint8Array): KeyObject | undefined {
    // The commitment is part of the slot's name, so a slot that is found has had this very commitment compared. That a
    // hit is quicker tells only that somebody decrypted under this salt lately.
    const slot = slotName(version, [salt, commitment]);
    const cached = this.#receivers.get(slot);
    // Equal names with unequal keys cannot happen while ids are random; if it ever did, the key decides and not the name.
    if (cached !== undefined && sameKey(cached.version, version)) {
      remember(this.#receivers, MOST_RECEIVERS, slot, cached);
      return cached.derived.key;
    }
    const fresh = derive(version.key, salt);
    if (!equal(fresh.commitment, commitment)) return undefined;
    const derived = { ...fresh, salt: Buffer.from(salt) };
    remember(this.#receivers, MOST_RECEIVERS, slot, { version, derived, left: 0, until: this.#dropIdle() });
    return derived.key;
  }

  /**
   * Senders stand in the order of their derivation, receivers in that of their last use, which is not before their
   * derivation. So whatever was last used long enough ago has only entries before it that are due as well, and the first
   * that is not due ends the search.
   *
   * @returns When an entry that is derived now is due.
   */
  #dropIdle(): number {
    const now = this.#now();
    for (const cache of [this.#senders, this.#receivers]) {
      for (const [slot, { until }] of cache) {
        if (now < until) break;
        cache.delete(slot);
      }
    }
    return now + MILLISECONDS_PER_SALT;
  }

  /** Drops everything of one key, or of all keys (when the vault is sealed). */
  forget(keyId?: Uint8Array): void {
    for (const cache of [this.#senders, this.#receivers]) {
      for (const [slot, { version }] of cache) {
        if (!keyId || equal(version.keyId, keyId)) cache.delete(slot);
      }
    }
  }
}

/**
 * Derives as the AWS Encryption SDK specifies for suite 0x0478: HKDF-SHA-512 (RFC 5869), once with the suite and
 * "DERIVEKEY" as info for the AES-256 key, once with "COMMITKEY" for the commitment.
 *
 * @param salt 32 bytes.
 */
export function derive(key: KeyObject, salt: Uint8Array): Derived {
  const bytes = new Uint8Array(hkdfSync("sha512", key, salt, DERIVE_INFO, 32));
  try {
    const commitment = Buffer.from(hkdfSync("sha512", key, salt, COMMIT_INFO, COMMITMENT_LENGTH));
    return { key: createSecretKey(bytes), commitment };
  } finally {
    wipe(bytes);
  }
}

const NO_SCOPE = Buffer.alloc(0);

/** Opened versions are cached themselves, so that mostly it is the very same one. */
function sameKey(a: OpenedVersion, b: OpenedVersion): boolean {
  return a.key === b.key || a.key.equals(b.key);
}

const VERSION_SLOTS = new WeakMap<OpenedVersion, string>();

/** The slot name of a version alone. */
function versionSlot(version: OpenedVersion): string {
  let slot = VERSION_SLOTS.get(version);
  if (slot === undefined) {
    slot = slotName(version, []);
    VERSION_SLOTS.set(version, slot);
  }
  return slot;
}

/**
 * Fixed lengths, so that parts cannot run into each other: within one cache a name with the 32 bytes of a scope is longer
 * than one without. None of the parts is secret.
 */
function slotName(version: OpenedVersion, parts: readonly Uint8Array[]): string {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(version.version);
  return Buffer.concat([version.keyId, number, version.scope ?? NO_SCOPE, ...parts]).toString("latin1");
}

/** A Map yields its entries in the order of insertion: put the newest last and drop the first. */
function remember(cache: Map<string, Cached>, most: number, slot: string, entry: Cached): void {
  cache.delete(slot);
  cache.set(slot, entry);
  if (cache.size <= most) return;
  for (const oldest of cache.keys()) {
    cache.delete(oldest);
    return;
  }
}
