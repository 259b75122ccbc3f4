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
const OTHER = pseudorandom("other", 32);

interface Parts {
  readonly format: number;
  readonly kind: string;
  readonly rootKey: Buffer;
  readonly context: Buffer;
}

/** The vectors of spec/seal-slot.md, always the same, made from that document and not by the server's code. */
export function sealSlotVectors(): readonly SealSlotVector[] {
  const kind = Buffer.from("env");
  const domain = Buffer.from("bunkms seal slot v1");
  return [
    {
      ...refused("as it is made", slot({})),
      outcome: "opens",
      cluster: CLUSTER.toString("hex"),
      root_key: ROOT_KEY.toString("hex"),
    },
    { ...refused("another master key", slot({})), master_key: OTHER.toString("hex") },
    refused("format 2", slot({ format: 2 })),
    refused("another kind", slot({ kind: "enw" })),
    refused(
      "the context of another cluster",
      slot({ context: Buffer.concat([domain, OTHER.subarray(0, 16), SLOT_ID, kind]) }),
    ),
    refused(
      "the context of another slot",
      slot({ context: Buffer.concat([domain, CLUSTER, OTHER.subarray(0, 16), kind]) }),
    ),
    refused(
      "the context of another kind",
      slot({ context: Buffer.concat([domain, CLUSTER, SLOT_ID, Buffer.from("pkcs11")]) }),
    ),
    refused("no context", slot({ context: Buffer.alloc(0) })),
    refused("a root key of 31 bytes", slot({ rootKey: ROOT_KEY.subarray(1) })),
    refused("a bit of the wrapped key is changed", flipped(60)),
    refused("a bit of the cluster is changed", flipped(1)),
    refused("a bit of the slot id is changed", flipped(17)),
    refused("cut by a byte", slot({}).subarray(0, -1)),
    refused("a byte too many", Buffer.concat([slot({}), Buffer.alloc(1)])),
    ...[0, 33, 34, 37].map((length) => refused(`cut after ${length} bytes`, slot({}).subarray(0, length))),
  ];
}

function slot(changes: Partial<Parts>): Buffer {
  const kind = Buffer.from(changes.kind ?? "env");
  const context = Buffer.concat([Buffer.from("bunkms seal slot v1"), CLUSTER, SLOT_ID, kind]);
  const nonce = pseudorandom("slot nonce", 24);
  const wrapped = xaesSeal(MASTER_KEY, nonce, changes.rootKey ?? ROOT_KEY, changes.context ?? context);
  return Buffer.concat([Buffer.of(changes.format ?? 1), CLUSTER, SLOT_ID, Buffer.of(kind.length), kind, wrapped]);
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
