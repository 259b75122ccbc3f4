import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { pseudorandom } from "./sealing.ts";

/** The content of audit-proof.json. */
export interface AuditProofFile {
  /** The cluster's id, hexadecimal. */
  readonly cluster: string;
  /** Private keys of Ed25519, hexadecimal, and the verifier keys of the log that belong to them. */
  readonly seeds: readonly [string, string];
  readonly vkeys: readonly [string, string];
  readonly entries: readonly string[];
  /** Over all entries, signed by the first key. */
  readonly checkpoint: string;
  /** Of each entry. */
  readonly receipts: readonly string[];
  /** From the first key to the second, after the first three entries. */
  readonly handover: string;
}

const CLUSTER = pseudorandom("audit cluster", 16).toString("hex");
const ORIGIN = `bkms/${CLUSTER}/main`;
const HANDED_OVER_AT = 3;

/** The vectors of spec/audit.md's keys, checkpoints and receipts, always the same, made from that document and C2SP's. */
export function auditProofVectors(): AuditProofFile {
  const seeds = [pseudorandom("audit key 1", 32), pseudorandom("audit key 2", 32)] as const;
  const [first, second] = [key(seeds[0]), key(seeds[1])];
  const entries = Array.from({ length: 7 }, (_, i) => `{"v":1,"operation":"keys.get","request_id":"${i}"}`);
  const leaves = entries.map((entry) => sha256(Buffer.of(0), Buffer.from(entry)));
  const text = `${ORIGIN}\n${leaves.length}\n${base64(root(leaves))}\n`;
  const checkpoint = `${text}\n${signature(first, text)}`;
  const before = root(leaves.slice(0, HANDED_OVER_AT));
  const handing = `bunkms audit key handover v1\n${ORIGIN}\n${HANDED_OVER_AT}\n${base64(before)}\n${first.vkey}\n${second.vkey}\n`;
  return {
    cluster: CLUSTER,
    seeds: [seeds[0].toString("hex"), seeds[1].toString("hex")],
    vkeys: [first.vkey, second.vkey],
    entries,
    checkpoint,
    receipts: entries.map((entry, i) =>
      [
        "c2sp.org/tlog-proof@v1",
        `extra ${base64(Buffer.from(entry))}`,
        `index ${i}`,
        ...path(i, leaves).map(base64),
        "",
        checkpoint,
      ].join("\n"),
    ),
    handover: `${handing}\n${signature(first, handing)}${signature(second, handing)}`,
  };
}

interface Key {
  readonly privateKey: KeyObject;
  readonly id: Buffer;
  readonly vkey: string;
}

function key(seed: Buffer): Key {
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const typed = Buffer.concat([Buffer.of(1), spki.subarray(-32)]);
  const id = sha256(Buffer.from(`${ORIGIN}\n`), typed).subarray(0, 4);
  return { privateKey, id, vkey: `${ORIGIN}+${id.toString("hex")}+${base64(typed)}` };
}

function signature({ privateKey, id }: Key, text: string): string {
  return `— ${ORIGIN} ${base64(Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]))}\n`;
}

/** MTH of RFC 6962 section 2.1. */
function root(leaves: readonly Buffer[]): Buffer {
  const split = splitOf(leaves);
  return leaves.length === 1
    ? (leaves[0] as Buffer)
    : sha256(Buffer.of(1), root(leaves.slice(0, split)), root(leaves.slice(split)));
}

/** PATH of RFC 6962 section 2.1.1. */
function path(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) {
    return [];
  }
  const split = splitOf(leaves);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...path(index, left), root(right)] : [...path(index - split, right), root(left)];
}

/** The largest power of 2 that is less than the number of leaves. */
function splitOf(leaves: readonly Buffer[]): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, leaves.length - 1)));
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64");
}
