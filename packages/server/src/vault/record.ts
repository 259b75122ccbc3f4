import type { XaesKey } from "../crypto/xaes.ts";
import type { Table } from "../store/store.ts";

const FORMAT = 1;
const KEY_VERSION_AT = 1;
const VERSION_AT = 5;
const HEADER_LENGTH = 13;
const DOMAIN = Buffer.from("bunkms record v1");

/** Where a record lies, and which of its writings it is. */
export interface RecordAddress {
  /** The cluster's id, 16 bytes. */
  readonly cluster: Buffer;
  readonly table: Table;
  readonly path: string;
  /** Number of the mutation that wrote it. */
  readonly version: number;
}

/** A record does not open: changed, moved, or sealed by a key that is not in the keyring. */
export class RecordDamaged extends Error {
  readonly path: string;

  constructor(table: Table, path: string, options?: { readonly cause?: unknown }) {
    super(`a record of the vault is damaged or not from this vault: ${table}/${path}`, options);
    this.name = "RecordDamaged";
    this.path = path;
  }
}

/**
 * Seals a record (spec/record.md): format, barrier key's version, record version, then XAES-256-GCM of the payload,
 * bound to the record's address, so that it opens nowhere else and as no other version.
 */
export function sealRecord(key: XaesKey, keyVersion: number, address: RecordAddress, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt8(FORMAT, 0);
  header.writeUInt32BE(keyVersion, KEY_VERSION_AT);
  header.writeBigUInt64BE(BigInt(address.version), VERSION_AT);
  return key.seal(payload, addressData(header, address), header);
}

/** The version that a sealed record says it is of. Not to be believed before the record was opened. */
export function recordVersion(value: Uint8Array, table: Table, path: string): number {
  if (value.length < HEADER_LENGTH || value[0] !== FORMAT) {
    throw new RecordDamaged(table, path);
  }
  return readUnsigned(value, VERSION_AT, HEADER_LENGTH);
}

/** Version of the barrier key that a record says it is sealed by; undefined for what no barrier key sealed. */
export function barrierKeyVersion(value: Uint8Array): number | undefined {
  if (value.length < HEADER_LENGTH || value[0] !== FORMAT) {
    return undefined;
  }
  return readUnsigned(value, KEY_VERSION_AT, VERSION_AT) || undefined;
}

/**
 * Opens a sealed record. The caller zeroes the payload if it is secret.
 * @param keys The barrier keys by version.
 * @throws RecordDamaged
 */
export function openRecord(
  keys: ReadonlyMap<number, XaesKey>,
  cluster: Buffer,
  table: Table,
  path: string,
  value: Uint8Array,
): { readonly version: number; readonly payload: Buffer } {
  const version = recordVersion(value, table, path);
  const key = keys.get(readUnsigned(value, KEY_VERSION_AT, VERSION_AT));
  if (key === undefined) {
    throw new RecordDamaged(table, path);
  }
  try {
    const header = value.subarray(0, HEADER_LENGTH);
    const sealed = value.subarray(HEADER_LENGTH);
    return { version, payload: key.open(sealed, addressData(header, { cluster, table, path, version })) };
  } catch (cause) {
    throw new RecordDamaged(table, path, { cause });
  }
}

/** Written into one buffer, every byte of it, since a start makes it for every record. */
function addressData(header: Uint8Array, { cluster, table, path }: RecordAddress): Buffer {
  const lengthsAt = DOMAIN.length + cluster.length;
  const data = Buffer.allocUnsafe(lengthsAt + 4 + Buffer.byteLength(table) + Buffer.byteLength(path) + HEADER_LENGTH);
  data.set(DOMAIN, 0);
  data.set(cluster, DOMAIN.length);
  const tableAt = lengthsAt + 4;
  const pathAt = tableAt + data.write(table, tableAt);
  const headerAt = pathAt + data.write(path, pathAt);
  data.writeUInt16BE(pathAt - tableAt, lengthsAt);
  data.writeUInt16BE(headerAt - pathAt, lengthsAt + 2);
  data.set(header, headerAt);
  return data;
}

/** Big-endian, without an object for each record that is read. */
function readUnsigned(value: Uint8Array, from: number, to: number): number {
  let number = 0;
  for (let i = from; i < to; i++) {
    number = number * 256 + (value[i] as number);
  }
  return number;
}
