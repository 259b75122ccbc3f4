import type { KeyObject } from "node:crypto";
import { sha256 } from "../crypto/hash.ts";
import { type HpkePsk, hpkeOpen, hpkeSeal, recipientFrom, recipientOf } from "../crypto/hpke.ts";
import { deriveKey, wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { isSharing, splitSecret } from "../crypto/shamir.ts";
import { type Seal, SealFailure } from "./seal.ts";
import { clusterFingerprint, encodeShare, SET_ID_LENGTH, type Share } from "./share.ts";

/** The kind of slots whose key is shared out among people. */
export const SHAMIR_KIND = "shamir";

const FORMAT = 1;
const HEADER_LENGTH = 1 + SET_ID_LENGTH + 2;
const HASH_LENGTH = 32;
/** Of an X-Wing public key as SubjectPublicKeyInfo. */
const PUBLIC_KEY_LENGTH = 1240;
const SEED_LENGTH = 32;
const INFO = Buffer.from("bunkms shamir seal v1");
const PSK_LABEL = "bunkms shamir psk v1";

/** What a Shamir slot says of its shares. Nothing of it is secret. */
export interface ShamirParameters {
  /** The set's id, 4 bytes. */
  readonly set: Buffer;
  /** How many shares there are. */
  readonly shares: number;
  /** How many are needed. */
  readonly threshold: number;
  /** SHA-256 of the binary form of each share, in the order of their numbers. */
  readonly hashes: readonly Buffer[];
  /** The X-Wing public key whose seed is shared out, SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

/**
 * Makes a new X-Wing key pair, shares its seed out and forgets it. The pre-shared key, derived from the seed, stays with the
 * open vault: who has it makes wrappings that the shares open, and without the shares it opens nothing.
 *
 * @param cluster The cluster's id.
 * @param shares At most 255.
 * @param threshold 2 to `shares`, or 1 of 1.
 * @returns The slot's parameters, {@link readShamirParameters}, 1247 bytes and 32 a share; the shares, whose values the
 * caller zeroes when they are handed out; and the pre-shared key, 32 bytes, which the caller zeroes too.
 * @throws RangeError for other numbers.
 */
export function createShamirSet(
  cluster: Uint8Array,
  shares: number,
  threshold: number,
): { readonly parameters: Buffer; readonly shares: readonly Share[]; readonly psk: Buffer } {
  const seed = randomBytes(SEED_LENGTH);
  try {
    const set = randomBytes(SET_ID_LENGTH);
    const fingerprint = clusterFingerprint(cluster);
    const made = splitSecret(seed, shares, threshold).map(
      (value, at): Share => ({ fingerprint, set, index: at + 1, threshold, value }),
    );
    const header = Buffer.concat([Buffer.of(FORMAT), set, Buffer.of(shares, threshold)]);
    const key = secretKey(seed);
    const { spki } = recipientOf(key);
    return { parameters: Buffer.concat([header, ...made.map(hashOfShare), spki]), shares: made, psk: pskOf(key) };
  } finally {
    wipe(seed);
  }
}

/** SHA-256 of a share's binary form. A share has 256 bits that nobody guesses, so its hash gives nothing of it away. */
export function hashOfShare(share: Share): Buffer {
  const binary = encodeShare(share);
  const hash = sha256(binary);
  wipe(binary);
  return hash;
}

/** @throws SealFailure when these are no parameters. */
export function readShamirParameters(parameters: Uint8Array): ShamirParameters {
  const bytes = Buffer.from(parameters);
  if (bytes.length < HEADER_LENGTH) throw damaged();
  if (bytes[0] !== FORMAT)
    throw new SealFailure("a Shamir slot is of an unknown format: was it written by a newer version?");
  const shares = bytes.readUInt8(HEADER_LENGTH - 2);
  const threshold = bytes.readUInt8(HEADER_LENGTH - 1);
  const publicKeyAt = HEADER_LENGTH + shares * HASH_LENGTH;
  if (!isSharing(shares, threshold) || bytes.length !== publicKeyAt + PUBLIC_KEY_LENGTH) throw damaged();
  return {
    set: bytes.subarray(1, 1 + SET_ID_LENGTH),
    shares,
    threshold,
    hashes: Array.from({ length: shares }, (_, at) =>
      bytes.subarray(HEADER_LENGTH + at * HASH_LENGTH, HEADER_LENGTH + (at + 1) * HASH_LENGTH),
    ),
    publicKey: bytes.subarray(publicKeyAt),
  };
}

/**
 * Wraps for a slot whose key is shared out among people, without them: a new root key is wrapped while they sleep. It is HPKE
 * (RFC 9180) with X-Wing to the set's public key, in mode_psk, so that only who has the set's pre-shared key makes a wrapping
 * that the shares open: the writer of the store does not.
 *
 * Whoever puts a public key of their own into `parameters` reads what is wrapped next. The store's writer could; so wrap only
 * to parameters that were compared with what the open vault has on record of them.
 *
 * @param parameters What {@link createShamirSet} made.
 * @param psk Made with them, as the open vault keeps it. Lent until the last wrapping.
 * @throws SealFailure when the parameters are none.
 */
export function shamirSeal(parameters: Uint8Array, psk: Uint8Array): Pick<Seal, "kind" | "keyName" | "wrap"> {
  const read = readShamirParameters(parameters);
  return {
    kind: SHAMIR_KIND,
    keyName: `${read.threshold} of the ${read.shares} shares of set ${read.set.toString("hex")}`,
    async wrap(rootKey, context, signal) {
      signal.throwIfAborted();
      try {
        return hpkeSeal(recipientFrom(read.publicKey), INFO, context, rootKey, pskFor(read, psk));
      } catch (cause) {
        throw new SealFailure("the public key of a Shamir slot or its pre-shared key is damaged", { cause });
      }
    },
  };
}

/**
 * Opens what {@link shamirSeal} wrapped, with the seed that the shares give and the pre-shared key that comes of it.
 *
 * @param parameters What {@link createShamirSet} made.
 * @param seed What the set's shares gave.
 * @throws SealFailure when the parameters are none.
 */
export function shamirOpener(parameters: Uint8Array, seed: KeyObject): Pick<Seal, "kind" | "unwrap"> {
  const read = readShamirParameters(parameters);
  return {
    kind: SHAMIR_KIND,
    async unwrap(wrapped, context, signal) {
      signal.throwIfAborted();
      const psk = pskOf(seed);
      try {
        const rootKey = hpkeOpen(seed, INFO, context, wrapped, pskFor(read, psk));
        if (rootKey === undefined) {
          throw new SealFailure(
            "the shares are not those that this slot was made with, or the slot was changed or not wrapped by its vault",
          );
        }
        return rootKey;
      } finally {
        wipe(psk);
      }
    },
  };
}

/**
 * The set's pre-shared key. X-Wing expands its seed with SHAKE-256 (draft section 5.2), this is HKDF-SHA-256 of it under a label
 * of its own: neither gives anything of the other away.
 */
function pskOf(seed: KeyObject): Buffer {
  return deriveKey(seed, PSK_LABEL).export();
}

function pskFor({ set }: ShamirParameters, key: Uint8Array): HpkePsk {
  return { key, id: set };
}

function damaged(): SealFailure {
  return new SealFailure("a Shamir slot is damaged");
}
