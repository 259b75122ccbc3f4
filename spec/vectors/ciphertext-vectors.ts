import { createCipheriv, createHash, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { collide } from "../../test/vectors/gcm-collision.ts";

/** Additional data as a caller gives it; bytes in hexadecimal. */
export type Additional = { readonly raw: string } | { readonly context: Readonly<Record<string, string>> } | null;

/** A vector of spec/ciphertext.md for suite 0478; bytes in hexadecimal, the ciphertext as its text. */
export interface CiphertextVector {
  readonly name: string;
  readonly key: string;
  readonly additional_data: Additional;
  /** The canonical encoding of `additional_data`. */
  readonly additional_data_encoded: string;
  readonly ciphertext: string;
  readonly outcome: "opens" | "decryption_failed";
  /** What it opens to, and what its header says. Of vectors that open. */
  readonly plaintext?: string;
  readonly key_id?: string;
  readonly version?: number;
}

/** The fields of a ciphertext, each of which a vector may set otherwise than a writer would. */
export interface Parts {
  readonly key: string;
  readonly plaintext: Buffer;
  readonly additional: Additional;
  readonly magic: Buffer;
  readonly suite: number;
  readonly keyId: Buffer;
  readonly version: number;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  /** Given the derived one. */
  readonly commitment: (derived: Buffer) => Buffer;
  /** Given header and additional data, what is authenticated. */
  readonly authenticated: (header: Buffer, additional: Buffer) => Buffer;
}

/**
 * The vectors of spec/ciphertext.md for suite 0478, always the same. They are made here by the letter of that document and not by the
 * server's code, so that they can find it wrong.
 */
export function ciphertextVectors(): CiphertextVector[] {
  return [...opening(), ...withOtherKeysOrData(), ...changed(), ...miswritten(), ...otherTexts(), ...underTwoKeys()];
}

function opening(): CiphertextVector[] {
  const surrogates = { context: { "\u{10000}": "sorted last", "\uff61": "sorted second", z: "sorted first" } };
  return [
    opens("empty plaintext", { plaintext: Buffer.alloc(0) }),
    opens("text", {}),
    opens("one block", { plaintext: pseudorandom("block", 16) }),
    opens("binary, several blocks", { plaintext: pseudorandom("blocks", 1000) }),
    opens("another nonce under the same salt", { nonce: pseudorandom("another nonce", 12) }),
    opens("the first version", { version: 1 }),
    opens("the largest version", { version: 0xffffffff }),
    opens("bytes as additional data", { additional: { raw: "00ff01" } }),
    opens("no bytes are no additional data", { additional: { raw: "" } }),
    opens("an empty context is no additional data", { additional: { context: {} } }),
    opens("a context", { additional: { context: { tenant: "acme", purpose: "invoices" } } }),
    opens("a context with empty texts", { additional: { context: { "": "", a: "" } } }),
    opens("a context sorted by UTF-8 and not by UTF-16", { additional: surrogates }),
    opens("a context with names of prototypes", {
      additional: { context: JSON.parse('{"constructor":"1","__proto__":"2"}') as Record<string, string> },
    }),
  ];
}

function withOtherKeysOrData(): CiphertextVector[] {
  const context = { context: { tenant: "acme" } };
  const encoded = encodeAdditional(context).toString("hex");
  return [
    { ...refused("another key", text({})), key: pseudorandom("another key", 32).toString("hex") },
    givenOther("additional data is missing", context, null),
    givenOther("additional data is too much", null, context),
    givenOther("additional data has another value", context, { context: { tenant: "acme2" } }),
    givenOther("a context's encoding passed off as bytes", context, { raw: encoded }),
    givenOther("bytes passed off as a context", { raw: encoded.slice(2) }, context),
    givenOther("pairs cut elsewhere", { context: { a: "bc" } }, { context: { ab: "c" } }),
  ];
}

function changed(): CiphertextVector[] {
  const fields = {
    magic: 0,
    suite: 4,
    "key id": 5,
    version: 24,
    salt: 25,
    commitment: 57,
    nonce: 89,
    data: 101,
    tag: -1,
  };
  return Object.entries(fields).map(([field, at]) =>
    refused(
      `a bit of the ${field} is changed`,
      rewritten({}, (bytes) => {
        const index = at < 0 ? bytes.length + at : at;
        bytes[index] = (bytes[index] ?? 0) ^ 0x01;
        return bytes;
      }),
    ),
  );
}

/** Authentic by their tag, made by a writer that knows the key but not the format. */
function miswritten(): CiphertextVector[] {
  const other = derived(pseudorandom("another key", 32).toString("hex"), STANDARD.salt).commitment;
  return [
    refused("another magic", text({ magic: Buffer.from("bkm") })),
    refused("suite 0x0578", text({ suite: 0x0578 })),
    refused("suite 0", text({ suite: 0 })),
    refused("version 0", text({ version: 0 })),
    refused("the commitment of another key", text({ commitment: () => other })),
    refused("a commitment of zeros", text({ commitment: (own) => Buffer.alloc(own.length) })),
    refused("the header is not authenticated", text({ authenticated: (_header, additional) => additional })),
    refused("a salt of 31 bytes", text({ salt: pseudorandom("salt", 31) })),
    refused("nothing", ""),
    ...[3, 24, 101, 116].map((length) =>
      refused(
        `cut after ${length} bytes`,
        rewritten({ plaintext: Buffer.alloc(0) }, (bytes) => bytes.subarray(0, length)),
      ),
    ),
    refused(
      "the tag is cut by a byte",
      rewritten({}, (bytes) => bytes.subarray(0, -1)),
    ),
    refused(
      "a byte after the tag",
      rewritten({}, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])),
    ),
    refused(
      "a byte before the magic",
      rewritten({}, (bytes) => Buffer.concat([Buffer.alloc(1), bytes])),
    ),
  ];
}

/** Other texts of one and the same bytes. */
function otherTexts(): CiphertextVector[] {
  // 117 + 4 bytes: a letter of two bits and "==" at the end, with four bits that encode nothing.
  const padded = text({ plaintext: Buffer.from("data") });
  const trailing = `${padded.slice(0, -3)}${String.fromCharCode(padded.charCodeAt(padded.length - 3) + 1)}==`;
  return [
    refused("base64 without padding", padded.replaceAll("=", "")),
    refused("base64 with too much padding", `${padded}=`),
    refused("base64 with set bits after the last byte", trailing),
    refused("base64 of the URL alphabet", text({}).replaceAll("+", "-").replaceAll("/", "_")),
    refused("base64 with a line feed at the end", `${text({})}\n`),
    refused("base64 with a line feed inside", `${text({}).slice(0, 76)}\n${text({}).slice(76)}`),
    refused("base64 with carriage return and line feed inside", `${text({}).slice(0, 64)}\r\n${text({}).slice(64)}`),
    refused("base64 with a space before", ` ${text({})}`),
    refused("base64 with a NUL after", `${text({})}\0`),
    refused("hexadecimal", Buffer.from(text({}), "base64").toString("hex")),
    refused("two ciphertexts in one text", padded + padded),
  ];
}

/** AES-256-GCM takes these bytes under both keys; only the commitment tells them apart. */
function underTwoKeys(): CiphertextVector[] {
  const other = pseudorandom("another key", 32).toString("hex");
  const keys = [derived(STANDARD.key, STANDARD.salt).key, derived(other, STANDARD.salt).key] as const;
  const plain = Buffer.from(text({ plaintext: Buffer.alloc(16) }), "base64");
  const header = plain.subarray(0, 101);
  const crafted = Buffer.concat([header, collide(keys, STANDARD.nonce, header)]);
  const gcm = createCipheriv("aes-256-gcm", keys[0], STANDARD.nonce);
  const plaintext = gcm.update(crafted.subarray(101, 117)).toString("hex");
  const mine = { ...opens("authentic under two keys: the key that it commits to", {}), plaintext };
  return [
    { ...mine, ciphertext: crafted.toString("base64") },
    { ...refused("authentic under two keys: the other key", crafted.toString("base64")), key: other },
  ];
}

const STANDARD: Parts = {
  key: pseudorandom("key", 32).toString("hex"),
  plaintext: Buffer.from("attack at dawn"),
  additional: null,
  magic: Buffer.of(0x6e, 0x49, 0xac),
  suite: 0x0478,
  keyId: pseudorandom("key id", 16),
  version: 2,
  salt: pseudorandom("salt", 32),
  nonce: pseudorandom("nonce", 12),
  commitment: (own) => own,
  authenticated: (header, additional) => Buffer.concat([header, additional]),
};

function opens(name: string, changes: Partial<Parts>): CiphertextVector {
  const parts = { ...STANDARD, ...changes };
  return {
    name,
    key: parts.key,
    additional_data: parts.additional,
    additional_data_encoded: encodeAdditional(parts.additional).toString("hex"),
    ciphertext: text(changes),
    outcome: "opens",
    plaintext: parts.plaintext.toString("hex"),
    key_id: parts.keyId.toString("hex"),
    version: parts.version,
  };
}

const refused = (name: string, ciphertext: string): CiphertextVector => ({
  name,
  key: STANDARD.key,
  additional_data: null,
  additional_data_encoded: "",
  ciphertext,
  outcome: "decryption_failed",
});

const givenOther = (name: string, written: Additional, given: Additional): CiphertextVector => ({
  ...refused(name, text({ additional: written })),
  additional_data: given,
  additional_data_encoded: encodeAdditional(given).toString("hex"),
});

const rewritten = (changes: Partial<Parts>, rewrite: (bytes: Buffer) => Buffer): string =>
  rewrite(Buffer.from(text(changes), "base64")).toString("base64");

/** Writes a ciphertext of suite 0478, as its text. */
export function text(changes: Partial<Parts>): string {
  const parts = { ...STANDARD, ...changes };
  const { key, commitment } = derived(parts.key, parts.salt);
  const header = Buffer.concat([
    parts.magic,
    bigEndian(parts.suite, 2),
    parts.keyId,
    bigEndian(parts.version, 4),
    parts.salt,
    parts.commitment(commitment),
    parts.nonce,
  ]);
  const cipher = createCipheriv("aes-256-gcm", key, parts.nonce);
  cipher.setAAD(parts.authenticated(header, encodeAdditional(parts.additional)));
  const data = Buffer.concat([cipher.update(parts.plaintext), cipher.final()]);
  return Buffer.concat([header, data, cipher.getAuthTag()]).toString("base64");
}

function derived(key: string, salt: Buffer): { key: KeyObject; commitment: Buffer } {
  const hkdf = (info: string): Buffer => {
    const bytes = hkdfSync("sha512", Buffer.from(key, "hex"), salt, Buffer.from(info, "latin1"), 32);
    return Buffer.from(bytes);
  };
  return { key: createSecretKey(hkdf("\x04\x78DERIVEKEY")), commitment: hkdf("COMMITKEY") };
}

/** The canonical encoding ("Additional data"). */
export function encodeAdditional(additional: Additional): Buffer {
  if (additional === null) return Buffer.alloc(0);
  if ("raw" in additional) {
    return additional.raw === "" ? Buffer.alloc(0) : Buffer.concat([Buffer.of(1), Buffer.from(additional.raw, "hex")]);
  }
  const pairs = Object.entries(additional.context).map((pair) => pair.map((part) => Buffer.from(part, "utf8")));
  if (pairs.length === 0) return Buffer.alloc(0);
  pairs.sort((a, b) => Buffer.compare(a[0] as Buffer, b[0] as Buffer));
  const parts = pairs.flat().flatMap((part) => [bigEndian(part.length, 2), part]);
  return Buffer.concat([Buffer.of(2), bigEndian(pairs.length, 2), ...parts]);
}

/** An unsigned integer in so many bytes, big-endian. */
export function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

/** Bytes that depend on the label alone: vectors are the same whenever they are made. */
export function pseudorandom(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(`bunkms test vector: ${label}`).digest();
}
