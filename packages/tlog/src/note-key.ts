import { createPublicKey, hash, type KeyObject } from "node:crypto";
import { decodeBase64, hasControl, NoteMalformed } from "./text-form.ts";

/** Signature type of Ed25519 over a note's text (C2SP signed-note). */
export const ED25519 = 0x01;
/** Signature type of timestamped Ed25519 cosignatures (C2SP tlog-cosignature). */
export const COSIGNATURE_ED25519 = 0x04;
/** Signature type of timestamped ML-DSA-44 cosignatures (C2SP tlog-cosignature). */
export const COSIGNATURE_ML_DSA_44 = 0x06;

/** A key that verifies signatures of notes. */
export interface NoteKey {
  readonly name: string;
  /** 4 bytes. Not a strong hash: a stranger can make a key of the same name and id. */
  readonly id: Buffer;
  /** {@link ED25519}, {@link COSIGNATURE_ED25519} or {@link COSIGNATURE_ML_DSA_44}. */
  readonly type: number;
  /** 32 bytes of Ed25519 (RFC 8032), 1,312 of ML-DSA-44 (FIPS 204). */
  readonly publicKey: Buffer;
}

/** The most bytes of a key's name; a cosignature of ML-DSA-44 has one byte for its length. */
const MAX_NAME_BYTES = 255;
/** The longest verifier key there can be is one of ML-DSA-44. */
const MAX_VKEY_CHARACTERS = 2048;

/** A public key as X.509 has it (RFC 5280 section 4.1): what comes before its bytes, by RFC 8410 and RFC 9881. */
interface PublicKeyForm {
  readonly length: number;
  readonly spkiPrefix: Buffer;
}

const ED25519_FORM: PublicKeyForm = { length: 32, spkiPrefix: Buffer.from("302a300506032b6570032100", "hex") };
const ML_DSA_44_FORM: PublicKeyForm = {
  length: 1312,
  spkiPrefix: Buffer.from("30820532300b06096086480165030403110382052100", "hex"),
};

const FORMS: ReadonlyMap<number, PublicKeyForm> = new Map([
  [ED25519, ED25519_FORM],
  [COSIGNATURE_ED25519, ED25519_FORM],
  [COSIGNATURE_ML_DSA_44, ML_DSA_44_FORM],
]);

/** Whether a key may have this name: not empty, without Unicode spaces, control characters and plus (C2SP signed-note). */
export function isKeyName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !hasControl(name) && !/[\p{White_Space}+]/u.test(name);
}

/**
 * Makes a verifier's key from its parts; its id is computed as C2SP signed-note recommends.
 * @param publicKey As raw bytes, or a public or private key of node:crypto.
 * @throws NoteMalformed for a name that no key may have, an unknown type, or a public key of another type.
 */
export function noteKey(name: string, type: number, publicKey: Uint8Array | KeyObject): NoteKey {
  if (!isKeyName(name) || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new NoteMalformed("the key's name is empty, too long, or has a space, a plus or a control character");
  }
  const form = FORMS.get(type);
  if (form === undefined) {
    throw new NoteMalformed("the key's signature type is not known");
  }
  const bytes = publicKey instanceof Uint8Array ? Buffer.from(publicKey) : rawPublicKey(publicKey, form);
  if (bytes.length !== form.length) {
    throw new NoteMalformed("the public key does not have the length of its type");
  }
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), bytes]), "buffer").subarray(0, 4);
  return { name, id, type, publicKey: bytes };
}

/** The key for node:crypto. */
export function publicKeyObject({ type, publicKey }: NoteKey): KeyObject {
  const { spkiPrefix } = FORMS.get(type) as PublicKeyForm;
  return createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: "der", type: "spki" });
}

/**
 * Reads a verifier key (C2SP signed-note), `<name>+<id in hexadecimal>+<base64 of type and public key>`.
 * @throws NoteMalformed
 */
export function parseVkey(text: string): NoteKey {
  if (text.length > MAX_VKEY_CHARACTERS) {
    throw new NoteMalformed(`the verifier key is longer than ${MAX_VKEY_CHARACTERS} characters`);
  }
  const [, name, id, base64] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  if (name === undefined || id === undefined || base64 === undefined) {
    throw new NoteMalformed("the verifier key does not have the form name+id+key");
  }
  const bytes = decodeBase64(base64, "the verifier key");
  const key = noteKey(name, bytes[0] ?? 0, bytes.subarray(1));
  if (key.id.toString("hex") !== id) {
    throw new NoteMalformed("the verifier key's id does not fit its name and key");
  }
  return key;
}

/** Writes a verifier key (C2SP signed-note). */
export function formatVkey({ name, id, type, publicKey }: NoteKey): string {
  return `${name}+${id.toString("hex")}+${Buffer.concat([Buffer.of(type), publicKey]).toString("base64")}`;
}

/** Whether name, type and public key are the same. */
export function isSameKey(one: NoteKey, other: NoteKey): boolean {
  return one.name === other.name && one.type === other.type && one.publicKey.equals(other.publicKey);
}

function rawPublicKey(key: KeyObject, { spkiPrefix }: PublicKeyForm): Buffer {
  const spki = (key.type === "private" ? createPublicKey(key) : key).export({ format: "der", type: "spki" });
  if (!spki.subarray(0, spkiPrefix.length).equals(spkiPrefix)) {
    throw new NoteMalformed("the public key is of another algorithm than its signature type");
  }
  return spki.subarray(spkiPrefix.length);
}
