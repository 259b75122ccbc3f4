import { sha256 } from "../crypto/hash.ts";
import type { Table } from "../store/store.ts";

/** Slots lie in the table `meta` under this prefix, one record a slot. */
export const SLOT_PREFIX = "slot/";
export const SLOT_TABLE: Table = "meta";

const FORMAT = 2;
const ID_LENGTH = 16;
const TIME_LENGTH = 8;
const FIXED_LENGTH = 1 + 2 * ID_LENGTH + TIME_LENGTH;
const CONTEXT = Buffer.from("bunkms seal slot v2");

/** The root key, wrapped by one seal (spec/seal-slot.md). */
export interface Slot {
  /** The cluster's id, 16 bytes. */
  readonly cluster: Buffer;
  /** 16 bytes. */
  readonly id: Buffer;
  /** The seal's. */
  readonly kind: string;
  /** The seal's, at the time of the wrapping. */
  readonly keyName: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** What the seal wants to find again; not secret. */
  readonly parameters: Buffer;
  readonly wrapped: Buffer;
}

/** The record's path. */
export function slotPath(slot: Pick<Slot, "id">): string {
  return SLOT_PREFIX + slot.id.toString("hex");
}

/** What a wrapping is bound to, so that a slot moved to another vault or changed in any part does not open. */
export function slotContext(slot: Pick<Slot, "cluster" | "id" | "kind" | "parameters">): Buffer {
  const kind = Buffer.from(slot.kind);
  return Buffer.concat([CONTEXT, slot.cluster, slot.id, Buffer.of(kind.length), kind, sha256(slot.parameters)]);
}

/** SHA-256 of the slot's record, which the keyring knows the slot by. */
export function slotDigest(slot: Slot): Buffer {
  return sha256(encodeSlot(slot));
}

export function encodeSlot(slot: Slot): Buffer {
  const createdAt = Buffer.alloc(TIME_LENGTH);
  createdAt.writeBigUInt64BE(BigInt(slot.createdAt));
  return Buffer.concat([
    Buffer.of(FORMAT),
    slot.cluster,
    slot.id,
    createdAt,
    ...lengthPrefixed(Buffer.from(slot.kind)),
    ...lengthPrefixed(Buffer.from(slot.keyName)),
    ...lengthPrefixed(slot.parameters),
    slot.wrapped,
  ]);
}

/** Reads a slot's record; undefined for one that is damaged or of another format. */
export function decodeSlot(value: Uint8Array): Slot | undefined {
  const bytes = Buffer.from(value);
  if (bytes.length < FIXED_LENGTH || bytes[0] !== FORMAT) {
    return undefined;
  }
  const parts: Buffer[] = [];
  let at = FIXED_LENGTH;
  for (let i = 0; i < 3; i++) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : Number.POSITIVE_INFINITY;
    if (at + 2 + length > bytes.length) {
      return undefined;
    }
    parts.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const [kind, keyName, parameters] = parts as [Buffer, Buffer, Buffer];
  return {
    cluster: bytes.subarray(1, 1 + ID_LENGTH),
    id: bytes.subarray(1 + ID_LENGTH, 1 + 2 * ID_LENGTH),
    kind: kind.toString("latin1"),
    keyName: keyName.toString(),
    createdAt: Number(bytes.readBigUInt64BE(1 + 2 * ID_LENGTH)),
    parameters,
    wrapped: bytes.subarray(at),
  };
}

function lengthPrefixed(bytes: Buffer): readonly [Buffer, Buffer] {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return [length, bytes];
}
