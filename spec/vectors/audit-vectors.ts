import { createHash } from "node:crypto";
import { bigEndian, hmac, pseudorandom } from "./sealing.ts";

/** An access and the bytes of its entry. */
export interface EntryVector {
  readonly name: string;
  /** The members that the caller gives, with `time` in milliseconds since 1970 and null for nobody. */
  readonly access: {
    readonly time: number;
    readonly requestId: string;
    readonly identity: { readonly id: string; readonly name: string; readonly role: string } | null;
    readonly operation: string;
    readonly resource: string;
    readonly outcome: string;
    readonly source: string;
    readonly transport: string;
    readonly request: Readonly<Record<string, string>>;
    readonly response: Readonly<Record<string, string>>;
  };
  /** The entry's bytes, as text. */
  readonly entry: string;
}

/** A recorded field of the class HMAC. */
export interface FieldVector {
  readonly audit_key: string;
  readonly field: string;
  /** The value's bytes, hexadecimal. */
  readonly value: string;
  readonly recorded: string;
}

/** A Merkle tree; leaves are entries in hexadecimal. */
export interface TreeVector {
  readonly entries: readonly string[];
  readonly root: string;
  /** The roots of the complete subtrees, the largest first. */
  readonly frontier: readonly string[];
}

/** The record of a batch: `path` in the table `audit`, and payload in hexadecimal. */
export interface BatchVector {
  readonly name: string;
  readonly path: string;
  readonly payload: string;
  readonly outcome: "reads" | "malformed";
  /** Of a batch that reads: the tree that it grows, its entries as text, and the root afterwards. */
  readonly first?: number;
  readonly frontier_before?: readonly string[];
  readonly bytes_before?: number;
  /** Size of the newest checkpoint before it. */
  readonly signed?: number;
  readonly entries?: readonly string[];
  readonly root?: string;
}

/** The content of audit-batch.json. */
export interface AuditFile {
  readonly entries: readonly EntryVector[];
  readonly fields: readonly FieldVector[];
  readonly trees: readonly TreeVector[];
  readonly batches: readonly BatchVector[];
}

/** The vectors of spec/audit.md, always the same, made from that document and not by the server's code. */
export function auditVectors(): AuditFile {
  return { entries: entries(), fields: fields(), trees: trees(), batches: [...readable(), ...malformed()] };
}

const TOKEN_ID = pseudorandom("token id", 16).toString("hex");

function entries(): EntryVector[] {
  const encrypt = {
    time: 1_795_564_800_001,
    requestId: "4b6bf4787465b730-17",
    identity: { id: TOKEN_ID, name: "ci", role: "operator" },
    operation: "keys.encrypt",
    resource: "key/invoices",
    outcome: "ok",
    source: "192.0.2.7",
    transport: "rest",
    request: { key_name: "invoices" },
    response: { version: "3" },
  };
  const nobody = {
    ...encrypt,
    identity: null,
    operation: "",
    resource: "",
    outcome: "unauthenticated",
    source: "2001:db8::1",
    transport: "grpc",
    request: {},
    response: {},
  };
  const odd = { ...nobody, time: 0, request: { text: 'quote " backslash \\ slash / tab \t unit \u0001 é 𐀀 \u2028' } };
  return [
    {
      name: "an encryption",
      access: encrypt,
      entry:
        `{"v":1,"time":"2026-11-25T00:00:00.001Z","request_id":"4b6bf4787465b730-17","identity":"${TOKEN_ID}",` +
        '"identity_name":"ci","role":"operator","operation":"keys.encrypt","resource":"key/invoices","outcome":"ok",' +
        '"source":"192.0.2.7","transport":"rest","request":{"key_name":"invoices"},"response":{"version":"3"}}',
    },
    {
      name: "a refusal of nobody",
      access: nobody,
      entry:
        '{"v":1,"time":"2026-11-25T00:00:00.001Z","request_id":"4b6bf4787465b730-17","identity":"","identity_name":"",' +
        '"role":"","operation":"","resource":"","outcome":"unauthenticated","source":"2001:db8::1","transport":"grpc",' +
        '"request":{},"response":{}}',
    },
    {
      name: "characters that JSON escapes, and those that it does not",
      access: odd,
      entry:
        '{"v":1,"time":"1970-01-01T00:00:00.000Z","request_id":"4b6bf4787465b730-17","identity":"","identity_name":"",' +
        '"role":"","operation":"","resource":"","outcome":"unauthenticated","source":"2001:db8::1","transport":"grpc",' +
        '"request":{"text":"quote \\" backslash \\\\ slash / tab \\t unit \\u0001 é 𐀀 \u2028"},"response":{}}',
    },
  ];
}

function fields(): FieldVector[] {
  const key = pseudorandom("audit key", 32);
  const values = [
    ["aad", Buffer.from("order 17")],
    ["aad_b64", Buffer.from("order 17")],
    ["digest_b64", pseudorandom("digest", 32)],
  ] as const;
  return values.map(([field, value]) => ({
    audit_key: key.toString("hex"),
    field,
    value: value.toString("hex"),
    recorded: `hmac-sha256:${hmac(key, Buffer.concat([Buffer.from(`${field}\0`), value])).toString("hex")}`,
  }));
}

/** The entries that Certificate Transparency implementations test RFC 6962 with. */
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

function trees(): TreeVector[] {
  return [...LEAVES, undefined].map((_, size) => {
    const leaves = LEAVES.slice(0, size).map((leaf) => Buffer.from(leaf, "hex"));
    return { entries: LEAVES.slice(0, size), root: hex(treeHash(leaves)), frontier: frontier(leaves).map(hex) };
  });
}

function readable(): BatchVector[] {
  const texts = entries().map(({ entry }) => entry);
  return [
    batch("the first entry of a log", [], texts.slice(0, 1)),
    batch("three entries in one commit", texts.slice(0, 1), texts),
    batch("onto a full subtree", [...texts, "{}"], texts.slice(0, 2)),
    batch("an entry that no JSON is, which the batch does not care about", texts, ["entry"]),
  ];
}

function malformed(): BatchVector[] {
  const good = Buffer.from(batch("", ["{}"], ["one", "two"]).payload, "hex");
  const changed = (change: (payload: Buffer) => unknown): Buffer => {
    const payload = Buffer.from(good);
    change(payload);
    return payload;
  };
  const broken: readonly (readonly [string, Buffer])[] = [
    ["nothing", Buffer.alloc(0)],
    ["cut in the head", good.subarray(0, 28)],
    ["cut after the head", good.subarray(0, 29)],
    ["cut in an entry", good.subarray(0, 35)],
    ["cut in the frontier", good.subarray(0, -1)],
    ["a hash of the frontier is missing", good.subarray(0, -32)],
    ["a hash too many", Buffer.concat([good, Buffer.alloc(32)])],
    ["a byte too many", Buffer.concat([good, Buffer.alloc(1)])],
    ["format 1", changed((payload) => payload.writeUInt8(1, 0))],
    ["format 3", changed((payload) => payload.writeUInt8(3, 0))],
    ["more entries than there are", changed((payload) => payload.writeUInt32BE(3, 9))],
    ["an entry longer than the payload", changed((payload) => payload.writeUInt32BE(0xffffffff, 29))],
    ["an index of 2^53", changed((payload) => payload.writeBigUInt64BE(2n ** 53n, 1))],
    ["a checkpoint over entries of its own", changed((payload) => payload.writeBigUInt64BE(2n, 21))],
    ["2^53 bytes of entries", changed((payload) => payload.writeBigUInt64BE(2n ** 53n, 13))],
  ];
  return broken.map(([name, payload]) => ({ name, path: path(2), payload: hex(payload), outcome: "malformed" }));
}

function batch(name: string, before: readonly string[], added: readonly string[]): BatchVector {
  const old = before.map((text) => Buffer.from(text));
  const all = [...old, ...added.map((text) => Buffer.from(text))];
  const bytesOf = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const total = bigEndian(bytesOf(before) + bytesOf(added), 8);
  const signed = Math.max(0, before.length - 1);
  const head = Buffer.concat([
    Buffer.of(2),
    bigEndian(before.length, 8),
    bigEndian(added.length, 4),
    total,
    bigEndian(signed, 8),
  ]);
  const body = added.flatMap((text) => [bigEndian(Buffer.byteLength(text), 4), Buffer.from(text)]);
  return {
    name,
    path: path(all.length - 1),
    payload: hex(Buffer.concat([head, ...body, ...frontier(all)])),
    outcome: "reads",
    first: before.length,
    frontier_before: frontier(old).map(hex),
    bytes_before: bytesOf(before),
    signed,
    entries: added,
    root: hex(treeHash(all)),
  };
}

function path(last: number): string {
  return `main/${last.toString(16).padStart(16, "0")}`;
}

/** MTH of RFC 6962 section 2.1, by its recursive definition. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) {
    return sha256();
  }
  if (leaves.length === 1) {
    return sha256(Buffer.of(0), only);
  }
  const split = largestPowerOfTwo(leaves.length - 1);
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}

function frontier(leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 0) {
    return [];
  }
  const size = largestPowerOfTwo(leaves.length);
  return [treeHash(leaves.slice(0, size)), ...frontier(leaves.slice(size))];
}

/** The largest that is not above `most`, which is at least 1. */
function largestPowerOfTwo(most: number): number {
  return 2 ** Math.floor(Math.log2(most));
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}
