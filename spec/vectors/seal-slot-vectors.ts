import { createHash } from "node:crypto";
import { pseudorandom, xaesSeal } from "./sealing.ts";

/** A seal slot of spec/seal-slot.md; bytes are hexadecimal. */
export interface SealSlotVector {
  readonly name: string;
  readonly master_key: string;
  /** The slot's record: path in the table `meta`, and value. */
  readonly path: string;
  readonly value: string;
  readonly outcome: "opens" | "does_not_open";
  /** Of a slot that opens. */
  readonly cluster?: string;
  readonly root_key?: string;
}

const MASTER_KEY = pseudorandom("master key", 32);
const CLUSTER = pseudorandom("cluster", 16);
const SLOT_ID = pseudorandom("slot id", 16);
const ROOT_KEY = pseudorandom("root key", 32);
const CREATED_AT = Buffer.from("0000018bcfe56800", "hex");
const OTHER = pseudorandom("other", 32);

interface Parts {
  readonly format: number;
  readonly kind: string;
  readonly rootKey: Buffer;
  readonly context: Buffer;
  readonly parameters: Buffer;
}

/** The vectors of spec/seal-slot.md, always the same, made from that document and not by the server's code. */
export function sealSlotVectors(): readonly SealSlotVector[] {
  const kind = Buffer.from("env");
  const domain = Buffer.from("bunkms seal slot v2");
  const none = createHash("sha256").digest();
  return [
    {
      ...refused("as it is made", slot({})),
      outcome: "opens",
      cluster: CLUSTER.toString("hex"),
      root_key: ROOT_KEY.toString("hex"),
    },
    { ...refused("another master key", slot({})), master_key: OTHER.toString("hex") },
    refused("format 3", slot({ format: 3 })),
    refused("another kind", slot({ kind: "enw" })),
    refused(
      "the context of another cluster",
      slot({ context: Buffer.concat([domain, OTHER.subarray(0, 16), SLOT_ID, Buffer.of(3), kind, none]) }),
    ),
    refused(
      "the context of another slot",
      slot({ context: Buffer.concat([domain, CLUSTER, OTHER.subarray(0, 16), Buffer.of(3), kind, none]) }),
    ),
    refused(
      "the context of another kind",
      slot({ context: Buffer.concat([domain, CLUSTER, SLOT_ID, Buffer.of(6), Buffer.from("pkcs11"), none]) }),
    ),
    refused("no context", slot({ context: Buffer.alloc(0) })),
    refused("a root key of 31 bytes", slot({ rootKey: ROOT_KEY.subarray(1) })),
    refused("a bit of the wrapped key is changed", flipped(100)),
    refused("a bit of the cluster is changed", flipped(1)),
    refused("a bit of the slot id is changed", flipped(17)),
    refused("cut by a byte", slot({}).subarray(0, -1)),
    refused("a byte too many", Buffer.concat([slot({}), Buffer.alloc(1)])),
    refused("a bit of the parameters", slot({ parameters: Buffer.of(1), context: slotContext(kind, Buffer.alloc(0)) })),
    refused("a length beyond the end", slot({}).fill(0xff, 41, 43)),
    ...[0, 33, 41, 46, 61, 63].map((length) => refused(`cut after ${length} bytes`, slot({}).subarray(0, length))),
  ];
}

function slot(changes: Partial<Parts>): Buffer {
  const kind = Buffer.from(changes.kind ?? "env");
  const keyName = Buffer.from("the master key");
  const parameters = changes.parameters ?? Buffer.alloc(0);
  const context = slotContext(kind, parameters);
  const nonce = pseudorandom("slot nonce", 24);
  const wrapped = xaesSeal(MASTER_KEY, nonce, changes.rootKey ?? ROOT_KEY, changes.context ?? context);
  const lengthOf = (bytes: Buffer): Buffer => Buffer.of(bytes.length >> 8, bytes.length & 0xff);
  return Buffer.concat([
    Buffer.of(changes.format ?? 2),
    CLUSTER,
    SLOT_ID,
    CREATED_AT,
    ...[kind, keyName, parameters].flatMap((part) => [lengthOf(part), part]),
    wrapped,
  ]);
}

function slotContext(kind: Buffer, parameters: Buffer): Buffer {
  const domain = Buffer.from("bunkms seal slot v2");
  const digest = createHash("sha256").update(parameters).digest();
  return Buffer.concat([domain, CLUSTER, SLOT_ID, Buffer.of(kind.length), kind, digest]);
}

function flipped(at: number): Buffer {
  const value = slot({});
  value.writeUInt8((value[at] ?? 0) ^ 1, at);
  return value;
}

function refused(name: string, value: Buffer): SealSlotVector {
  return {
    name,
    master_key: MASTER_KEY.toString("hex"),
    path: `slot/${SLOT_ID.toString("hex")}`,
    value: value.toString("hex"),
    outcome: "does_not_open",
  };
}
