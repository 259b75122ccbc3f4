import { bigEndian, hmac, pseudorandom } from "./sealing.ts";

/** What of an entry is indexed. */
export interface MarkedEntry {
  readonly position: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly identity: string;
  readonly identity_name: string;
  readonly resource: string;
}

/** The content of audit-index.json: one lot. */
export interface AuditIndexFile {
  /** Hexadecimal, 32 bytes. */
  readonly audit_index_key: string;
  readonly lot: number;
  /** The tree's hashes of the lot's bundles, hexadecimal. */
  readonly bundles: readonly string[];
  /** All other entries of the lot are later than these and have none of the three texts. */
  readonly entries: readonly MarkedEntry[];
  readonly terms: readonly { readonly field: string; readonly value: string; readonly term: string }[];
  /** Of the table `audit-index`, payloads in hexadecimal. */
  readonly records: readonly { readonly path: string; readonly payload: string }[];
}

const KEY = pseudorandom("audit index key", 32);
const LOT = 0x1234;
const ID = pseudorandom("token id", 16).toString("hex");

/** The vectors of the index in spec/audit.md, always the same, made from that document and not by the server's code. */
export function auditIndexVectors(): AuditIndexFile {
  const bundles = Array.from({ length: 16 }, (_, i) => pseudorandom(`bundle ${i}`, 32));
  const entries = [
    entry(0, { identity: ID, identity_name: "ci", resource: "key/invoices" }),
    entry(1, { time: 1_795_564_799_000, resource: "key/invoices" }),
    entry(255, { identity: ID, identity_name: 'Zoë "7"\\', resource: "secret/db\n" }),
    // Id and name alike are in the list once.
    entry(256, { identity: ID, identity_name: ID, resource: "key/invoices" }),
    entry(4095, { identity: "ff".repeat(16), identity_name: "ci", resource: ID }),
  ];
  const values = entries.flatMap(({ identity, identity_name, resource }) => [
    ["identity", identity] as const,
    ["identity", identity_name] as const,
    ["resource", resource] as const,
  ]);
  const distinct = [
    ...new Map(values.filter(([, value]) => value !== "").map((one) => [one.join("\0"), one])).values(),
  ];
  const terms = distinct.map(([field, value]) => ({ field, value, term: termOf(field, value) }));
  const rows = terms.map(({ field, value, term }) => {
    const positions = entries.filter((one) =>
      field === "resource" ? one.resource === value : one.identity === value || one.identity_name === value,
    );
    const list = positions.map(({ position }) => bigEndian(position, 2));
    return { term, bytes: Buffer.concat([Buffer.from(term, "hex"), bigEndian(list.length, 2), ...list]) };
  });
  const head = Buffer.concat([
    Buffer.of(1),
    hmac(KEY, Buffer.concat([Buffer.from("lot\0"), ...bundles])),
    bigEndian(1_795_564_799_000, 8),
  ]);
  const records = Array.from("0123456789abcdef", (digit) => {
    const own = rows.filter(({ term }) => term.startsWith(digit)).sort((a, b) => (a.term < b.term ? -1 : 1));
    const payload = Buffer.concat([head, ...own.map(({ bytes }) => bytes)]);
    return { path: `main/0000000000001234/${digit}`, payload: payload.toString("hex") };
  });
  return {
    audit_index_key: KEY.toString("hex"),
    lot: LOT,
    bundles: bundles.map((hash) => hash.toString("hex")),
    entries,
    terms,
    records,
  };
}

function entry(position: number, rest: Partial<MarkedEntry>): MarkedEntry {
  return { position, time: 1_795_564_800_000 + position, identity: "", identity_name: "", resource: "", ...rest };
}

function termOf(field: string, value: string): string {
  return hmac(KEY, `${field}\0${value}`).toString("hex").slice(0, 12);
}
