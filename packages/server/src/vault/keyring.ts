import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { KeyringSchema } from "@bunkms/contract/record";
import { deriveKey, wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { XaesKey } from "../crypto/xaes.ts";

/**
 * The keys under the root key. Records are sealed by the barrier keys; the others are derived (HKDF-SHA-256, RFC 5869)
 * from one base key, each with its own label. The root key itself seals only the keyring: to change it rewrites one record.
 */
export interface Keyring {
  /** Version of the barrier key that seals new records. */
  readonly barrierVersion: number;
  /** By version. */
  readonly barrier: ReadonlyMap<number, XaesKey>;
  /** Paths of named records: HMAC-SHA-256 of the name. */
  readonly index: KeyObject;
  /** Tokens are stored as HMAC-SHA-256 under this. */
  readonly token: KeyObject;
  /** Hashed fields of the audit log. */
  readonly audit: KeyObject;
  /** The multiset hash of record versions. */
  readonly state: KeyObject;
  /** Check values of key material. */
  readonly check: KeyObject;
  /** X-Wing's seed: opens the backups of keys that are sealed to this cluster. It stays when the root key changes. */
  readonly backup: KeyObject;
}

/** Encodes a new keyring. The caller seals the bytes, then zeroes them. */
export function createKeyring(): Buffer {
  const barrierKey = randomBytes(32);
  const baseKey = randomBytes(32);
  const bytes = toBinary(
    KeyringSchema,
    create(KeyringSchema, { barrierKeys: [{ version: 1, key: barrierKey }], baseKey }),
  );
  wipe(barrierKey, baseKey);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Opens a keyring's bytes, and zeroes them. */
export function loadKeyring(bytes: Buffer): Keyring {
  const keyring = fromBinary(KeyringSchema, bytes);
  const barrier = new Map<number, XaesKey>();
  for (const entry of keyring.barrierKeys) {
    barrier.set(entry.version, new XaesKey(secretKey(entry.key)));
    wipe(entry.key);
  }
  const base = secretKey(keyring.baseKey);
  wipe(bytes, keyring.baseKey);
  return {
    barrierVersion: Math.max(...barrier.keys()),
    barrier,
    index: deriveKey(base, "bunkms index v1"),
    token: deriveKey(base, "bunkms token v1"),
    audit: deriveKey(base, "bunkms audit v1"),
    state: deriveKey(base, "bunkms state v1"),
    check: deriveKey(base, "bunkms material check v1"),
    backup: deriveKey(base, "bunkms backup v1"),
  };
}

/** The key that seals the keyring's record, derived from the root key. */
export function keyringKey(rootKey: Buffer): XaesKey {
  return new XaesKey(deriveKey(secretKey(rootKey), "bunkms keyring v1"));
}
