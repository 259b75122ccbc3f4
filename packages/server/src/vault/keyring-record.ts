import type { KeyObject } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Keyring as KeyringMessage, KeyringSchema } from "@bunkms/contract/record";
import { deriveKey, wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { XaesKey } from "../crypto/xaes.ts";
import type { StoredRecord, Table } from "../store/store.ts";
import { openRecord, RecordDamaged, sealRecord } from "./record.ts";
import type { Change, RecordRef } from "./records.ts";
import type { Root } from "./root.ts";

/** Where the keyring lies. */
export const KEYRING_TABLE: Table = "meta";
export const KEYRING_PATH = "keyring";

/** Key version 0 in a record's header: the key derived from the root key. */
const UNDER_ROOT = 0;

/** Reads records as they lie in the store. */
export interface StoredReader {
  get(table: Table, path: string): Promise<StoredRecord | undefined>;
}

/** The keyring, opened. Its reader calls `wipeKeyring` on the content. */
export interface OpenedKeyring {
  readonly content: KeyringMessage;
  readonly ref: RecordRef;
}

/** @throws RecordDamaged */
export async function readKeyring(store: StoredReader, root: Root): Promise<OpenedKeyring> {
  const record = await store.get(KEYRING_TABLE, KEYRING_PATH);
  if (record === undefined) {
    throw new RecordDamaged(KEYRING_TABLE, KEYRING_PATH);
  }
  const keys = new Map([[UNDER_ROOT, keyringKey(root.key)]]);
  const { payload, version } = openRecord(keys, root.cluster, KEYRING_TABLE, KEYRING_PATH, record.value);
  // The message's keys are views of the payload, so that wiping them wipes these.
  return { content: fromBinary(KeyringSchema, payload), ref: { revision: record.revision, version } };
}

/**
 * The change that writes the keyring: sealed as every record, but under the key derived from the root key.
 * @param rootKey Lent until the commit: the one that is to open it.
 * @param previous What it replaces; null in a new vault.
 */
export function keyringChange(
  cluster: Buffer,
  rootKey: Buffer,
  content: KeyringMessage,
  previous: RecordRef | null,
): Change & { readonly payload: Uint8Array } {
  return {
    table: KEYRING_TABLE,
    path: KEYRING_PATH,
    payload: toBinary(KeyringSchema, content),
    previous,
    sealAs: (payload, version) =>
      sealRecord(
        keyringKey(rootKey),
        UNDER_ROOT,
        { cluster, table: KEYRING_TABLE, path: KEYRING_PATH, version },
        payload,
      ),
  };
}

/** Zeroes the keys of a keyring that was read. */
export function wipeKeyring(content: KeyringMessage): void {
  wipe(content.baseKey, ...content.barrierKeys.map(({ key }) => key), ...content.slots.map(({ psk }) => psk));
}

/** The key that seals the keyring's record, derived from the root key. */
function keyringKey(rootKey: Buffer): XaesKey {
  const key: KeyObject = secretKey(rootKey);
  return new XaesKey(deriveKey(key, "bunkms keyring v1"));
}
