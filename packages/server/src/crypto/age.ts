import { diffieHellman, type KeyObject } from "node:crypto";
import { bech32 } from "@scure/base";
import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, aeadSeal } from "./aead.ts";
import { deriveKey, mac, wipe } from "./kdf.ts";
import { secretKey } from "./keys.ts";
import { randomBytes } from "./random.ts";
import { ephemeralX25519, publicOf, publicX25519 } from "./x25519.ts";

/** Why a text is no recipient to whom we can encrypt. */
export type AgeRecipientFault =
  /** It is none, or mistyped. */
  | "malformed"
  /** It may be one of age's: a plugin's, a post-quantum one, an SSH key. We encrypt to X25519 alone. */
  | "unsupported";

/** A recipient that is refused. It is a public key, so that the text may name it, but it does not. */
export class AgeRecipientError extends Error {
  readonly reason: AgeRecipientFault;

  constructor(reason: AgeRecipientFault, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "AgeRecipientError";
    this.reason = reason;
  }
}

/** Somebody to whom files are encrypted: the X25519 public key of an age identity. */
export interface AgeRecipient {
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

const KEY_LENGTH = 32;
const FILE_KEY_LENGTH = 16;
const PAYLOAD_NONCE_LENGTH = 16;
const CHUNK = 65_536;
const RECIPIENT_LENGTH = 62;
const X25519_LABEL = "age-encryption.org/v1/X25519";
const ARMOR_COLUMNS = 64;

/**
 * Reads an age recipient of the X25519 type (C2SP age, "The X25519 recipient type"): bech32 (BIP 173) of a public key.
 *
 * @throws AgeRecipientError
 */
export function parseAgeRecipient(text: string): AgeRecipient {
  if (/^(?:ssh-|ecdsa-|sk-)/.test(text)) throw unsupported("an SSH key");
  if (/^AGE-(?:SECRET-KEY|PLUGIN)-/i.test(text)) throw malformed("it is an identity, which is to be kept secret");
  // Everything between `age1` and the last 1 is part of the prefix, by which plugins and later types are known.
  if (/^age1[a-z0-9+._-]*1/i.test(text)) throw unsupported("of a plugin or of another type");
  const decoded = text.length === RECIPIENT_LENGTH ? bech32.decodeUnsafe(text) : undefined;
  const key = decoded?.prefix === "age" ? bech32.fromWordsUnsafe(decoded.words) : undefined;
  if (key?.length !== KEY_LENGTH) throw malformed(`it begins with age1 and has ${RECIPIENT_LENGTH} characters`);
  const recipient: AgeRecipient = { publicKey: Buffer.from(key) };
  wipe(agree(ephemeralX25519(), recipient));
  return recipient;
}

/**
 * Encrypts to one recipient, in the armored form of an age file (C2SP age, v1). There is no decryption here: the recipient has
 * age for that.
 *
 * @returns Text in lines of 64 characters, with a line end after the last.
 */
export function ageEncrypt(recipient: AgeRecipient, plaintext: Uint8Array): string {
  const fileKeyBytes = randomBytes(FILE_KEY_LENGTH);
  try {
    const fileKey = secretKey(fileKeyBytes);
    const header = sealHeader(stanza(recipient, fileKeyBytes), fileKey);
    return armor(Buffer.concat([Buffer.from(header), payload(fileKey, plaintext)]));
  } finally {
    wipe(fileKeyBytes);
  }
}

/** "X25519 recipient stanza": the file key, wrapped. */
function stanza(recipient: AgeRecipient, fileKey: Uint8Array): string {
  const ephemeral = ephemeralX25519();
  const share = publicOf(ephemeral);
  const sharedSecret = agree(ephemeral, recipient);
  const wrapKey = deriveKey(secretKey(sharedSecret), X25519_LABEL, Buffer.concat([share, recipient.publicKey]));
  wipe(sharedSecret);
  const body = Buffer.alloc(FILE_KEY_LENGTH + AEAD_TAG_LENGTH);
  // A nonce of zeros, as the specification has it: the key is of this stanza alone, since the ephemeral one is.
  aeadSeal("chacha20-poly1305", wrapKey, Buffer.alloc(AEAD_NONCE_LENGTH), fileKey, [], body, 0);
  return `-> X25519 ${base64(share)}\n${base64(body)}\n`;
}

/** "Header MAC". */
function sealHeader(stanzas: string, fileKey: KeyObject): string {
  const header = `age-encryption.org/v1\n${stanzas}---`;
  return `${header} ${base64(mac(deriveKey(fileKey, "header"), Buffer.from(header)))}\n`;
}

/** "Payload": STREAM, whose nonces are a counter of 11 bytes and whether the chunk is the last. The last is empty only when it is all. */
function payload(fileKey: KeyObject, plaintext: Uint8Array): Buffer {
  const nonce = randomBytes(PAYLOAD_NONCE_LENGTH);
  const key = deriveKey(fileKey, "payload", nonce);
  const chunks = Math.max(1, Math.ceil(plaintext.length / CHUNK));
  const sealed = Buffer.allocUnsafeSlow(nonce.length + plaintext.length + chunks * AEAD_TAG_LENGTH);
  nonce.copy(sealed);
  for (let at = 0; at < chunks; at++) {
    const chunkNonce = Buffer.alloc(AEAD_NONCE_LENGTH);
    // A counter of four bytes is enough for 256 TiB, and no buffer has as many.
    chunkNonce.writeUInt32BE(at, 7);
    chunkNonce.writeUInt8(at === chunks - 1 ? 1 : 0, 11);
    const into = nonce.length + at * (CHUNK + AEAD_TAG_LENGTH);
    aeadSeal("chacha20-poly1305", key, chunkNonce, plaintext.subarray(at * CHUNK, (at + 1) * CHUNK), [], sealed, into);
  }
  return sealed;
}

/** "ASCII armor": strict PEM of RFC 7468 section 3. */
function armor(file: Buffer): string {
  const lines = file.toString("base64").match(new RegExp(`.{1,${ARMOR_COLUMNS}}`, "g")) ?? [];
  return `${["-----BEGIN AGE ENCRYPTED FILE-----", ...lines, "-----END AGE ENCRYPTED FILE-----"].join("\n")}\n`;
}

/** OpenSSL refuses points of small order, whose shared secret everybody knows (RFC 7748 section 6.1). */
function agree(privateKey: KeyObject, { publicKey }: AgeRecipient): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey: publicX25519(publicKey) });
  } catch (cause) {
    throw new AgeRecipientError("malformed", "this is not an age recipient: its public key is not sound", { cause });
  }
}

/** age's base64 is without padding. */
function base64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}

function malformed(what: string): AgeRecipientError {
  return new AgeRecipientError("malformed", `this is not an age recipient: ${what}`);
}

function unsupported(what: string): AgeRecipientError {
  return new AgeRecipientError("unsupported", `this recipient is ${what}; give one of age's X25519 type, age1…`);
}
