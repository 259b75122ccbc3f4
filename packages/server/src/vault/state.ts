import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StateSchema } from "@bunkms/contract/record";
import { mac } from "../crypto/kdf.ts";
import type { Table } from "../store/store.ts";
import type { Change } from "./records.ts";

const DIGESTED = [
  "key",
  "key-version",
  "key-usage",
  "alias",
  "import-key",
  "secret",
  "secret-version",
  "token",
  "audit-key",
  "audit-retention",
  "attachment",
] as const satisfies readonly Table[];

/**
 * Tables whose records are rewritten or deleted under the same path. All others are written once a path, but for
 * `key-material`: what was destroyed can be restored there, and then it is the same material (material-check.ts); and but for
 * those that say nothing of the vault itself (asides.ts).
 */
export const MUTABLE_TABLES: readonly Table[] = DIGESTED;

/** Any other: its records can be taken away by who does not know their versions. */
export type UndigestedTable = Exclude<Table, (typeof DIGESTED)[number]>;

/**
 * The vault's state as of one mutation: its number, and a digest over the versions of all records in mutable tables.
 * A record replaced by its own older value, removed or brought back changes the digest, which the vault checks when it
 * is unsealed.
 *
 * The digest is the keyed multiset hash MSet-XOR-Hash (Clarke, Devadas, van Dijk, Gassend, Suh: Incremental Multiset
 * Hash Functions, ASIACRYPT 2003) with HMAC-SHA-256: the XOR of HMAC(table, path, version) over the records. It suits
 * here because each (table, path) occurs once, which whoever reads the records checks: what is in an XOR twice is not in
 * it. And because the digest itself is sealed in the state record, so that nobody without the keys sees any value of it.
 */
export class VaultState {
  /** Number of the last mutation. */
  readonly generation: number;
  /** 32 bytes. */
  readonly digest: Buffer;
  /** Number of the mutation that wrote the keyring, so that an older one brought back is noticed. */
  readonly keyringGeneration: number;

  constructor(generation: number, digest: Buffer, keyringGeneration: number) {
    this.generation = generation;
    this.digest = digest;
    this.keyringGeneration = keyringGeneration;
  }

  /** Before the first mutation. */
  static readonly EMPTY = new VaultState(0, Buffer.alloc(32), 0);

  /**
   * The state after one more mutation that replaced and wrote these record versions.
   * @param keyring Whether it wrote the keyring.
   */
  next(key: KeyObject, changed: readonly RecordVersion[], keyring: boolean): VaultState {
    const digest = Buffer.from(this.digest);
    for (const record of changed) {
      xorInto(digest, recordMac(key, record));
    }
    const generation = this.generation + 1;
    return new VaultState(generation, digest, keyring ? generation : this.keyringGeneration);
  }

  encode(): Buffer {
    const state = create(StateSchema, {
      generation: BigInt(this.generation),
      digest: this.digest,
      keyringGeneration: BigInt(this.keyringGeneration),
    });
    return Buffer.from(toBinary(StateSchema, state));
  }

  static decode(payload: Buffer): VaultState {
    const state = fromBinary(StateSchema, payload);
    return new VaultState(Number(state.generation), Buffer.from(state.digest), Number(state.keyringGeneration));
  }
}

/** One version of one record in a mutable table. */
export interface RecordVersion {
  readonly table: Table;
  readonly path: string;
  readonly version: number;
}

/** The record versions that changes take out of the state's digest, and those that they bring in. */
export function versionsOf(changes: readonly Change[], generation: number): RecordVersion[] {
  const versions: RecordVersion[] = [];
  for (const { table, path, payload, previous } of changes) {
    if (!MUTABLE_TABLES.includes(table)) {
      continue;
    }
    if (previous !== null) {
      versions.push({ table, path, version: previous.version });
    }
    if (payload !== null) {
      versions.push({ table, path, version: generation });
    }
  }
  return versions;
}

/** The digest of records from nothing, one after the other. */
export class StateDigest {
  readonly #key: KeyObject;
  readonly #digest = Buffer.alloc(32);

  constructor(key: KeyObject) {
    this.#key = key;
  }

  add(record: RecordVersion): void {
    xorInto(this.#digest, recordMac(this.#key, record));
  }

  /** 32 bytes. */
  get value(): Buffer {
    return this.#digest;
  }
}

/** In UTF-8, although a path is ASCII: "latin1" would cut what is not, and give a made-up path the MAC of another one. */
function recordMac(key: KeyObject, record: RecordVersion): Buffer {
  return mac(key, Buffer.from(`${record.table}\0${record.path}\0${record.version}`, "utf8"));
}

function xorInto(target: Buffer, bytes: Buffer): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] as number) ^ (bytes[i] as number);
  }
}
