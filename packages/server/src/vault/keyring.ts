import type { KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Keyring as KeyringMessage, KeyringSchema } from "@bunkms/contract/record";
import { deriveKey } from "../crypto/kdf.ts";
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
  /** What entries of the audit log are searched by. */
  readonly auditIndex: KeyObject;
  /** The multiset hash of record versions. */
  readonly state: KeyObject;
  /** Check values of key material. */
  readonly check: KeyObject;
  /** X-Wing's seed: opens the backups of keys that are sealed to this cluster. It stays when the root key changes. */
  readonly backup: KeyObject;
  /** Authenticates the file that remembers how far the vault is. */
  readonly witness: KeyObject;
  /** Paths and requests of calls that can be repeated. */
  readonly idempotency: KeyObject;
}

/** The content of a new keyring, without slots. The caller wipes it. */
export function newKeyring(): KeyringMessage {
  return create(KeyringSchema, { barrierKeys: [{ version: 1, key: randomBytes(32) }], baseKey: randomBytes(32) });
}

/** Takes the keys of a keyring's content into OpenSSL's keeping. The caller wipes the content. */
export function loadKeyring(content: KeyringMessage): Keyring {
  const barrier = new Map(content.barrierKeys.map(({ version, key }) => [version, new XaesKey(secretKey(key))]));
  const base = secretKey(content.baseKey);
  return {
    barrierVersion: Math.max(...barrier.keys()),
    barrier,
    index: deriveKey(base, "bunkms index v1"),
    token: deriveKey(base, "bunkms token v1"),
    audit: deriveKey(base, "bunkms audit v1"),
    auditIndex: deriveKey(base, "bunkms audit index v1"),
    state: deriveKey(base, "bunkms state v1"),
    check: deriveKey(base, "bunkms material check v1"),
    backup: deriveKey(base, "bunkms backup v1"),
    witness: deriveKey(base, "bunkms witness v1"),
    idempotency: deriveKey(base, "bunkms idempotency v1"),
  };
}
