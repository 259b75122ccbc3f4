import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from "node:crypto";
import { collide } from "../../test/vectors/gcm-collision.ts";
import { type Additional, bigEndian, encodeAdditional, pseudorandom, text } from "./ciphertext-vectors.ts";

/** A vector of spec/envelope.md; bytes in hexadecimal. */
export interface EnvelopeVector {
  readonly name: string;
  readonly context: Context;
  readonly additional_data: string;
  readonly data_key: string;
  readonly message: string;
  readonly outcome: "opens" | "malformed" | "decryption_failed";
  /** The text to unwrap. Of vectors that are not malformed. */
  readonly wrapped_data_key?: string;
  /** Of vectors that open. */
  readonly plaintext?: string;
}

/** The content of spec/vectors/envelope.json. */
export interface EnvelopeVectors {
  /** Of the key version that wraps the data keys. */
  readonly key: string;
  readonly vectors: readonly EnvelopeVector[];
}

type Context = Readonly<Record<string, string>>;

/** A message's fields, each of which a vector may set otherwise than a writer would. */
interface Parts {
  readonly magic: Buffer;
  readonly suite: Buffer;
  readonly wrapped: Buffer;
  readonly wrappedLength: number;
  readonly salt: Buffer;
  /** Given the derived one. */
  readonly commitment: (derived: Buffer) => Buffer;
  readonly nonce: Buffer;
  readonly dataKey: Buffer;
  readonly context: Context;
  readonly additional: Buffer;
  readonly plaintext: Buffer;
  /** Given header, encoded context and encoded additional data, what is authenticated. */
  readonly authenticated: (header: Buffer, context: Buffer, additional: Buffer) => Buffer;
}

const KEY = pseudorandom("envelope: key", 32);
const DATA_KEY = pseudorandom("envelope: data key", 32);
const OTHER_DATA_KEY = pseudorandom("envelope: another data key", 32);
const PLAINTEXT = Buffer.from("attack at dawn");
const ACME = { tenant: "acme", purpose: "invoices" };
const ROW = Buffer.from("row 17");
/** Where the salt begins: after magic, suite, length and a data key wrapped by suite 0478. */
const SALT_AT = 7 + 149;

/**
 * The vectors of spec/envelope.md, always the same. They are made here by the letter of that document and not by a
 * client's code, so that they can find it wrong.
 */
export function envelopeVectors(): EnvelopeVectors {
  const vectors = [
    ...opening(),
    ...boundToOther(),
    ...miswritten(),
    ...otherHeaders(),
    ...changed(),
    ...underTwoKeys(),
  ];
  return { key: KEY.toString("hex"), vectors };
}

function opening(): EnvelopeVector[] {
  const surrogates = { "\u{10000}": "sorted last", "\uff61": "sorted second", z: "sorted first" };
  return [
    opens("empty plaintext", { plaintext: Buffer.alloc(0) }),
    opens("text", {}),
    opens("one block", { plaintext: pseudorandom("envelope: block", 16) }),
    opens("binary, several blocks", { plaintext: pseudorandom("envelope: blocks", 1000) }),
    opens("another message of the same data key", { salt: pseudorandom("envelope: another salt", 32) }),
    opens("a context", { context: ACME }),
    opens("additional data", { additional: ROW }),
    opens("a context and additional data", { context: ACME, additional: ROW }),
    opens("additional data of bytes that are no text", { additional: Buffer.from("00ff01", "hex") }),
    opens("a context sorted by UTF-8 and not by UTF-16", { context: surrogates }),
    opens("a context with names of prototypes", {
      context: JSON.parse('{"constructor":"1","__proto__":"2"}') as Context,
    }),
    opens("a wrapped data key of another length", { wrapped: rsaWrapped() }),
    opens("a wrapped data key of the greatest length", { wrapped: pseudorandom("envelope: long", 6144) }),
    opens("a wrapped data key of one byte", { wrapped: Buffer.of(7) }),
  ];
}

function boundToOther(): EnvelopeVector[] {
  const encoded = encodeAdditional({ context: ACME });
  const both = vector("", { context: ACME, additional: ROW });
  return [
    refused("another data key", { dataKey: DATA_KEY }, { data_key: hex(OTHER_DATA_KEY) }),
    refused("a data key of 31 bytes", {}, { data_key: hex(DATA_KEY.subarray(1)) }),
    refused("a data key of 64 bytes", {}, { data_key: hex(Buffer.concat([DATA_KEY, DATA_KEY])) }),
    refused("no data key", {}, { data_key: "" }),
    { ...failed("the context is missing", both), context: {} },
    { ...failed("the context has another value", both), context: { ...ACME, tenant: "acme2" } },
    { ...failed("the additional data is missing", both), additional_data: "" },
    { ...failed("the additional data is another", both), additional_data: hex(Buffer.from("row 18")) },
    refused("a context where there was none", {}, { context: ACME }),
    refused("additional data where there was none", {}, { additional_data: hex(ROW) }),
    refused(
      "a context passed off as additional data",
      { context: ACME },
      { context: {}, additional_data: hex(encoded) },
    ),
    refused(
      "a context without its kind passed off as additional data",
      { context: ACME },
      { context: {}, additional_data: hex(encoded.subarray(1)) },
    ),
    refused(
      "additional data moved into the context",
      { additional: ROW },
      { additional_data: "", context: { "row 17": "" } },
    ),
  ];
}

/** Written by somebody who has the data key, but not as a writer must. */
function miswritten(): EnvelopeVector[] {
  return [
    refused("a random nonce", { nonce: pseudorandom("envelope: nonce", 12) }),
    refused("the context is not authenticated", {
      context: ACME,
      authenticated: (header, _context, additional) => Buffer.concat([header, additional]),
    }),
    refused("the additional data is not authenticated", {
      additional: ROW,
      authenticated: (header, context) => Buffer.concat([header, context]),
    }),
    refused("the header is not authenticated", {
      authenticated: (_header, context, additional) => Buffer.concat([context, additional]),
    }),
    refused("context and additional data in the other order", {
      context: ACME,
      additional: ROW,
      authenticated: (header, context, additional) => Buffer.concat([header, additional, context]),
    }),
    refused("the commitment of another data key", { commitment: () => derive(OTHER_DATA_KEY, SALT).commitment }),
    refused("a commitment of zero bytes", { commitment: () => Buffer.alloc(32) }),
  ];
}

function otherHeaders(): EnvelopeVector[] {
  const whole = vector("", {});
  const bytes = Buffer.from(whole.message, "hex");
  const shortest = Buffer.from(vector("", { wrapped: Buffer.of(7), plaintext: Buffer.alloc(0) }).message, "hex");
  return [
    malformed("no bytes", Buffer.alloc(0)),
    malformed("a ciphertext of the server", Buffer.from(wrapped({}).toString("hex"), "hex")),
    malformed("another magic", message({ magic: Buffer.from("6e49ac", "hex") })),
    malformed("another suite", message({ suite: Buffer.from("0578", "hex") })),
    malformed("a suite of ciphertexts only", message({ suite: Buffer.from("b102", "hex") })),
    malformed("no wrapped data key", message({ wrapped: Buffer.alloc(0), wrappedLength: 0 })),
    malformed("a wrapped data key that is too long", message({ wrapped: Buffer.alloc(6145, 1), wrappedLength: 6145 })),
    malformed("a wrapped length beyond the end", message({ wrappedLength: 6000 })),
    malformed("a wrapped length that leaves no whole tag", message({ wrappedLength: bytes.length - 7 - 64 - 15 })),
    malformed("cut in the magic", bytes.subarray(0, 2)),
    malformed("cut in the wrapped data key", bytes.subarray(0, 100)),
    malformed("cut in the salt", bytes.subarray(0, SALT_AT + 31)),
    malformed("cut in the commitment", bytes.subarray(0, SALT_AT + 63)),
    malformed("cut in the tag, where there is no data", shortest.subarray(0, -1)),
    malformed("the shortest but one byte", shortest.subarray(0, 87)),
  ];
}

function changed(): EnvelopeVector[] {
  const whole = vector("", { context: ACME, additional: ROW });
  const bytes = Buffer.from(whole.message, "hex");
  const rewrapped = message({ wrapped: wrapped(ACME, "again"), context: ACME, additional: ROW });
  const exchanged = Buffer.concat([rewrapped.subarray(0, SALT_AT), bytes.subarray(SALT_AT)]);
  const other = message({ salt: pseudorandom("envelope: another salt", 32), context: ACME, additional: ROW });
  const change = (name: string, to: Buffer): EnvelopeVector => ({
    ...failed(name, whole),
    message: hex(to),
    wrapped_data_key: to.subarray(7, SALT_AT).toString("base64"),
  });
  return [
    change("a bit of the wrapped data key", flipped(bytes, 40)),
    change("a bit of the salt", flipped(bytes, SALT_AT)),
    change("a bit of the commitment", flipped(bytes, SALT_AT + 63)),
    change("a bit of the data", flipped(bytes, SALT_AT + 64)),
    change("a bit of the tag", flipped(bytes, bytes.length - 1)),
    change("cut in the data", bytes.subarray(0, -1)),
    change("cut to an empty plaintext", bytes.subarray(0, SALT_AT + 64 + 16)),
    change("a byte more", Buffer.concat([bytes, Buffer.alloc(1)])),
    change("the same data key, wrapped once more", exchanged),
    change(
      "salt and commitment of another message",
      Buffer.concat([other.subarray(0, SALT_AT + 64), bytes.subarray(SALT_AT + 64)]),
    ),
  ];
}

/** A message that AES-GCM alone would open under two data keys: the commitment decides. */
function underTwoKeys(): EnvelopeVector[] {
  const keys = [derive(DATA_KEY, SALT), derive(OTHER_DATA_KEY, SALT)] as const;
  const header = message({}).subarray(0, SALT_AT + 64);
  const nonce = Buffer.alloc(12);
  const crafted = collide([createSecretKey(keys[0].key), createSecretKey(keys[1].key)], nonce, header);
  const both = hex(Buffer.concat([header, crafted]));
  const plaintext = createDecipheriv("aes-256-gcm", keys[0].key, nonce).update(crafted.subarray(0, -16));
  const one = { ...vector("authentic under two data keys: the one that it commits to", {}), message: both };
  return [
    { ...one, plaintext: hex(plaintext) },
    { ...failed("authentic under two data keys: the other", one), data_key: hex(OTHER_DATA_KEY) },
  ];
}

const SALT = pseudorandom("envelope: salt", 32);

function standard(context: Context): Parts {
  return {
    magic: Buffer.from("6e499e", "hex"),
    suite: Buffer.from("0478", "hex"),
    wrapped: wrapped(context),
    wrappedLength: -1,
    salt: SALT,
    commitment: (derived) => derived,
    nonce: Buffer.alloc(12),
    dataKey: DATA_KEY,
    context,
    additional: Buffer.alloc(0),
    plaintext: PLAINTEXT,
    authenticated: (...pieces) => Buffer.concat(pieces),
  };
}

function message(changes: Partial<Parts>): Buffer {
  const parts = { ...standard(changes.context ?? {}), ...changes };
  const { key, commitment } = derive(parts.dataKey, parts.salt);
  const header = Buffer.concat([
    parts.magic,
    parts.suite,
    bigEndian(parts.wrappedLength < 0 ? parts.wrapped.length : parts.wrappedLength, 2),
    parts.wrapped,
    parts.salt,
    parts.commitment(commitment),
  ]);
  const additional: Additional = { raw: hex(parts.additional) };
  const cipher = createCipheriv("aes-256-gcm", key, parts.nonce);
  cipher.setAAD(
    parts.authenticated(header, encodeAdditional({ context: parts.context }), encodeAdditional(additional)),
  );
  return Buffer.concat([header, cipher.update(parts.plaintext), cipher.final(), cipher.getAuthTag()]);
}

function vector(name: string, changes: Partial<Parts>): EnvelopeVector {
  const parts = { ...standard(changes.context ?? {}), ...changes };
  return {
    name,
    context: parts.context,
    additional_data: hex(parts.additional),
    data_key: hex(parts.dataKey),
    message: hex(message(changes)),
    outcome: "opens",
    wrapped_data_key: parts.wrapped.toString("base64"),
    plaintext: hex(parts.plaintext),
  };
}

function opens(name: string, changes: Partial<Parts>): EnvelopeVector {
  return vector(name, changes);
}

function refused(name: string, changes: Partial<Parts>, given: Partial<EnvelopeVector> = {}): EnvelopeVector {
  return { ...failed(name, vector(name, changes)), ...given };
}

function failed(name: string, { plaintext: _, ...rest }: EnvelopeVector): EnvelopeVector {
  return { ...rest, name, outcome: "decryption_failed" };
}

function malformed(name: string, bytes: Buffer): EnvelopeVector {
  return {
    name,
    context: {},
    additional_data: "",
    data_key: hex(DATA_KEY),
    message: hex(bytes),
    outcome: "malformed",
  };
}

/** HKDF-SHA-512 (RFC 5869) as suite 0478 has it. */
function derive(dataKey: Buffer, salt: Buffer): { readonly key: Buffer; readonly commitment: Buffer } {
  const output = (info: Buffer): Buffer => Buffer.from(hkdfSync("sha512", dataKey, salt, info, 32));
  const label = Buffer.concat([Buffer.from("0478", "hex"), Buffer.from("DERIVEKEY")]);
  return { key: output(label), commitment: output(Buffer.from("COMMITKEY")) };
}

/** The data key under the key of the vectors, by spec/ciphertext.md. */
function wrapped(context: Context, salt = "first"): Buffer {
  const changes = { key: hex(KEY), plaintext: DATA_KEY, additional: { context } };
  return Buffer.from(text({ ...changes, salt: pseudorandom(`envelope: wrapping salt, ${salt}`, 32) }), "base64");
}

/** What an RSA key of 2048 bits would wrap to, in form and length. */
function rsaWrapped(): Buffer {
  const header = Buffer.concat([
    Buffer.from("6e49acb201", "hex"),
    pseudorandom("envelope: key id", 16),
    bigEndian(1, 4),
  ]);
  return Buffer.concat([header, pseudorandom("envelope: rsa", 256)]);
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

const hex = (bytes: Buffer): string => bytes.toString("hex");
