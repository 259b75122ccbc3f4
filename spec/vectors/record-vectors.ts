import { bigEndian, hkdf, hmac, lengthDelimited, pseudorandom, varintField, xaesSeal } from "./sealing.ts";

/** A sealed record of spec/record.md; all bytes are hexadecimal. */
export interface RecordVector {
  readonly name: string;
  /** The keys that the reader has, by their version. */
  readonly barrier_keys: Readonly<Record<string, string>>;
  readonly cluster: string;
  readonly table: string;
  readonly path: string;
  readonly value: string;
  readonly outcome: "opens" | "damaged";
  /** Of a record that opens. */
  readonly version?: number;
  readonly payload?: string;
}

/** The record `meta`/`keyring` under a root key, and what follows from it. */
export interface KeyringVector {
  readonly name: string;
  readonly root_key: string;
  readonly cluster: string;
  readonly value: string;
  readonly outcome: "opens" | "damaged";
  /** Of a keyring that opens: the version that seals, and the derived keys by the second word of their label. */
  readonly barrier_version?: number;
  readonly derived_keys?: Readonly<Record<string, string>>;
}

/** The path of a named record. */
export interface PathVector {
  readonly index_key: string;
  readonly table: string;
  readonly name: string;
  readonly path: string;
}

/** The digest over record versions. */
export interface DigestVector {
  readonly name: string;
  readonly state_key: string;
  readonly records: readonly { readonly table: string; readonly path: string; readonly version: number }[];
  readonly digest: string;
}

/** The content of record.json. */
export interface RecordFile {
  readonly records: readonly RecordVector[];
  readonly keyrings: readonly KeyringVector[];
  readonly paths: readonly PathVector[];
  readonly digests: readonly DigestVector[];
}

/** The vectors of spec/record.md, always the same, made from that document and not by the server's code. */
export function recordVectors(): RecordFile {
  return {
    records: [...opening(), ...elsewhere(), ...changed(), ...miswritten()],
    keyrings: keyrings(),
    paths: paths(),
    digests: digests(),
  };
}

interface Parts {
  readonly format: number;
  readonly key: Buffer;
  readonly keyVersion: number;
  readonly cluster: Buffer;
  readonly table: string;
  readonly path: string;
  readonly version: number;
  readonly payload: Buffer;
  /** Given header and address, what is authenticated. */
  readonly authenticated: (header: Buffer, address: readonly Buffer[]) => Buffer;
}

const ID = pseudorandom("id", 16).toString("hex");
const DOMAIN = Buffer.from("bunkms record v1");
const KEYS = { "1": pseudorandom("barrier key 1", 32), "2": pseudorandom("barrier key 2", 32) };

const STANDARD: Parts = {
  format: 1,
  key: KEYS["2"],
  keyVersion: 2,
  cluster: pseudorandom("cluster", 16),
  table: "key-material",
  path: `${ID}/0000000003`,
  version: 42,
  payload: pseudorandom("payload", 32),
  authenticated: (header, address) => Buffer.concat([DOMAIN, ...address, header]),
};

function opening(): RecordVector[] {
  const token = Buffer.concat([
    lengthDelimited(1, pseudorandom("token id", 16)),
    lengthDelimited(2, Buffer.from("dashboard")),
    lengthDelimited(3, Buffer.from("reader")),
    varintField(4, 1_795_564_800_000),
    varintField(5, 1_795_568_400_000),
  ]);
  return [
    opens("key material", {}),
    opens("sealed by an older barrier key", { key: KEYS["1"], keyVersion: 1 }),
    opens("an empty payload", { payload: Buffer.alloc(0) }),
    opens("a payload of several blocks", { payload: pseudorandom("long payload", 1000) }),
    opens("a token's metadata", {
      table: "token",
      path: pseudorandom("token path", 32).toString("hex"),
      payload: token,
    }),
    opens("the state", {
      table: "meta",
      path: "state",
      payload: Buffer.concat([varintField(1, 42), lengthDelimited(2, pseudorandom("digest", 32))]),
    }),
    opens("the first version", { version: 1 }),
    opens("the largest version", { version: Number.MAX_SAFE_INTEGER }),
    opens("the longest path", { path: "a".repeat(512) }),
  ];
}

/** Whole records in a place that is not theirs. */
function elsewhere(): RecordVector[] {
  return [
    { ...damaged("under the path of the next version", seal({})), path: `${ID}/0000000004` },
    { ...damaged("in another table", seal({})), table: "secret-value" },
    { ...damaged("in another cluster", seal({})), cluster: pseudorandom("another cluster", 16).toString("hex") },
    {
      ...damaged("table and path cut elsewhere", seal({ table: "secret", path: "value" })),
      table: "secre",
      path: "tvalue",
    },
    {
      ...damaged("another key under the same version", seal({})),
      barrier_keys: { "2": hex(pseudorandom("other", 32)) },
    },
    { ...damaged("a key version that is not in the keyring", seal({})), barrier_keys: { "1": hex(KEYS["1"]) } },
    damaged(
      "another version's key",
      rewritten((value) => value.writeUInt32BE(1, 1)),
    ),
    damaged(
      "an older record passed off as a newer version",
      rewritten((value) => value.writeBigUInt64BE(43n, 5)),
    ),
  ];
}

function changed(): RecordVector[] {
  const fields = {
    format: 0,
    "key version": 4,
    "record version": 12,
    "nonce's first half": 13,
    "nonce's second half": 36,
    payload: 37,
  };
  const flip = (value: Buffer, at: number): unknown => value.writeUInt8((value[at] ?? 0) ^ 1, at);
  return [
    ...Object.entries(fields).map(([field, at]) =>
      damaged(
        `a bit of the ${field} is changed`,
        rewritten((value) => flip(value, at)),
      ),
    ),
    damaged(
      "a bit of the tag is changed",
      rewritten((value) => flip(value, value.length - 1)),
    ),
    damaged("the last byte is cut", seal({}).subarray(0, -1)),
    damaged("a byte too many", Buffer.concat([seal({}), Buffer.alloc(1)])),
    ...[0, 1, 12, 13, 52].map((length) =>
      damaged(`cut after ${length} bytes`, seal({ payload: Buffer.alloc(0) }).subarray(0, length)),
    ),
  ];
}

/** Authentic by their tag, made by a writer that knows the key but not the format. */
function miswritten(): RecordVector[] {
  return [
    damaged("format 2", seal({ format: 2 })),
    damaged(
      "the header is not authenticated",
      seal({ authenticated: (_, address) => Buffer.concat([DOMAIN, ...address]) }),
    ),
    damaged("the domain is missing", seal({ authenticated: (header, address) => Buffer.concat([...address, header]) })),
    damaged(
      "the lengths are missing",
      seal({
        authenticated: (header, [cluster, , , table, path]) =>
          Buffer.concat([DOMAIN, cluster, table, path, header] as Buffer[]),
      }),
    ),
    damaged("nothing is authenticated", seal({ authenticated: () => Buffer.alloc(0) })),
  ];
}

function keyrings(): KeyringVector[] {
  const rootKey = pseudorandom("root key", 32);
  const base = pseudorandom("base key", 32);
  const barrierKey = (version: 1 | 2): Buffer =>
    lengthDelimited(1, Buffer.concat([varintField(1, version), lengthDelimited(2, KEYS[version])]));
  const address = {
    table: "meta",
    path: "keyring",
    key: hkdf(rootKey, "bunkms keyring v1"),
    keyVersion: 0,
    version: 1,
  };
  const one = seal({ ...address, payload: Buffer.concat([barrierKey(1), lengthDelimited(2, base)]) });
  const two = seal({ ...address, payload: Buffer.concat([barrierKey(1), barrierKey(2), lengthDelimited(2, base)]) });
  const common = { root_key: hex(rootKey), cluster: hex(STANDARD.cluster) };
  const words = ["index", "token", "audit", "state", "backup"];
  const derived_keys = Object.fromEntries(words.map((word) => [word, hex(hkdf(base, `bunkms ${word} v1`))]));
  const direct = seal({ ...address, key: rootKey, payload: Buffer.concat([barrierKey(1), lengthDelimited(2, base)]) });
  return [
    { name: "as it is made", ...common, value: hex(one), outcome: "opens", barrier_version: 1, derived_keys },
    { name: "with two barrier keys", ...common, value: hex(two), outcome: "opens", barrier_version: 2, derived_keys },
    { name: "under another root key", ...common, root_key: hex(base), value: hex(one), outcome: "damaged" },
    { name: "in another cluster", ...common, cluster: hex(base.subarray(0, 16)), value: hex(one), outcome: "damaged" },
    { name: "under the root key itself", ...common, value: hex(direct), outcome: "damaged" },
  ];
}

function paths(): PathVector[] {
  const key = pseudorandom("index key", 32);
  const pairs = [
    ["key", "invoices"],
    ["secret", "invoices"],
    ["secret", "prod/db/password"],
    ["key", "__proto__"],
  ] as const;
  return pairs.map(([table, name]) => ({
    index_key: hex(key),
    table,
    name,
    path: hex(hmac(key, `${table}\0${name}`)),
  }));
}

function digests(): DigestVector[] {
  const key = pseudorandom("state key", 32);
  const path = pseudorandom("record path", 32).toString("hex");
  const vector = (name: string, records: DigestVector["records"]): DigestVector => {
    const digest = Buffer.alloc(32);
    for (const record of records) {
      const bytes = hmac(key, `${record.table}\0${record.path}\0${record.version}`);
      digest.forEach((byte, i) => {
        digest[i] = byte ^ (bytes[i] ?? 0);
      });
    }
    return { name, state_key: hex(key), records, digest: hex(digest) };
  };
  const record = { table: "key", path, version: 1 };
  return [
    vector("no records", []),
    vector("one record", [record]),
    vector("the same record, written again", [{ ...record, version: 2 }]),
    vector("several tables", [
      record,
      { table: "key-version", path: `${ID}/0000000001`, version: 1 },
      { table: "token", path, version: 7 },
    ]),
    vector("a large version", [{ ...record, version: 9_007_199_254_740_991 }]),
  ];
}

function opens(name: string, changes: Partial<Parts>): RecordVector {
  const { version, payload, table, path } = { ...STANDARD, ...changes };
  return { ...damaged(name, seal(changes)), table, path, outcome: "opens", version, payload: hex(payload) };
}

function damaged(name: string, value: Buffer): RecordVector {
  const { cluster, table, path } = STANDARD;
  const barrier_keys = { "1": hex(KEYS["1"]), "2": hex(KEYS["2"]) };
  return { name, barrier_keys, cluster: hex(cluster), table, path, value: hex(value), outcome: "damaged" };
}

function rewritten(rewrite: (value: Buffer) => unknown): Buffer {
  const value = seal({});
  rewrite(value);
  return value;
}

function seal(changes: Partial<Parts>): Buffer {
  const parts = { ...STANDARD, ...changes };
  const header = Buffer.concat([Buffer.of(parts.format), bigEndian(parts.keyVersion, 4), bigEndian(parts.version, 8)]);
  const [table, path] = [Buffer.from(parts.table), Buffer.from(parts.path)];
  const address = [parts.cluster, bigEndian(table.length, 2), bigEndian(path.length, 2), table, path];
  const nonce = pseudorandom(`nonce ${parts.table} ${parts.path} ${parts.version} ${hex(parts.payload)}`, 24);
  return Buffer.concat([header, xaesSeal(parts.key, nonce, parts.payload, parts.authenticated(header, address))]);
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}
