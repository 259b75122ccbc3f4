import { type Bytes, bigEndian, concat, equalsInConstantTime, utf8 } from "../crypto/bytes.ts";
import { KEY_LENGTH, KeyDerivation, open, randomBytes, seal, TAG_LENGTH } from "../crypto/webcrypto.ts";
import { RequestError } from "../errors.ts";
import { EnvelopeError } from "./envelope-error.ts";

/** Bytes of plaintext that a message holds at most. What is larger goes into an encrypted file. */
export const MOST_PLAINTEXT = 64 * 1024 * 1024;
/** Bytes of a wrapped data key. */
export const MOST_WRAPPED = 6_144;

const MAGIC_AND_SUITE = Uint8Array.of(0x6e, 0x49, 0x9e, 0x04, 0x78);
const LENGTH_END = MAGIC_AND_SUITE.length + 2;
const SHORTEST = LENGTH_END + 1 + 2 * KEY_LENGTH + TAG_LENGTH;
const KEY_INFO = concat(Uint8Array.of(0x04, 0x78), utf8("DERIVEKEY"));
const COMMITMENT_INFO = utf8("COMMITKEY");
/** The key serves this one message: its salt is the message's own. */
const NONCE = new Uint8Array(12);

/** What a message is bound to, each part in its encoding. */
export interface Bound {
  readonly context: Bytes;
  readonly additionalData: Bytes;
}

/** A message in its parts. Nothing of it is authentic before it was opened. */
export interface EnvelopeMessage {
  /** All before the data. */
  readonly header: Bytes;
  readonly wrapped: Bytes;
  readonly salt: Bytes;
  readonly commitment: Bytes;
  /** Data and tag. */
  readonly sealed: Bytes;
}

/**
 * Seals a message (spec/envelope.md).
 * @param dataKey See `importSecret`.
 * @param wrapped The wrapped data key, 1 to 6,144 bytes.
 * @param plaintext At most 64 MiB, which the caller leaves as they are meanwhile.
 * @throws RequestError for another length.
 */
export async function sealMessage(
  dataKey: CryptoKey,
  wrapped: Bytes,
  plaintext: Bytes,
  { context, additionalData }: Bound,
): Promise<Bytes> {
  if (wrapped.length < 1 || wrapped.length > MOST_WRAPPED || plaintext.length > MOST_PLAINTEXT) {
    throw new RequestError("an envelope message holds at most 64 MiB, under a wrapped data key of 1 to 6,144 bytes");
  }
  // Drawn now that the plaintext is there, and for this message alone: the nonce is constant.
  const salt = randomBytes(KEY_LENGTH);
  const derivation = new KeyDerivation(dataKey, salt, "SHA-512");
  const [key, commitment] = await Promise.all([derivation.cipherKey(KEY_INFO), derivation.bytes(COMMITMENT_INFO)]);
  const header = concat(MAGIC_AND_SUITE, bigEndian(wrapped.length, 2), wrapped, salt, commitment);
  return concat(header, await seal(key, NONCE, plaintext, concat(header, context, additionalData)));
}

/** Takes a message apart. @throws EnvelopeError `malformed` */
export function readMessage(message: Bytes): EnvelopeMessage {
  const start = message.subarray(0, MAGIC_AND_SUITE.length);
  if (message.length < SHORTEST || !equalsInConstantTime(MAGIC_AND_SUITE, start)) {
    throw malformed();
  }
  const length = new DataView(message.buffer, message.byteOffset).getUint16(MAGIC_AND_SUITE.length);
  const saltAt = LENGTH_END + length;
  const commitmentAt = saltAt + KEY_LENGTH;
  const dataAt = commitmentAt + KEY_LENGTH;
  const dataLength = message.length - dataAt - TAG_LENGTH;
  if (length < 1 || length > MOST_WRAPPED || dataLength < 0 || dataLength > MOST_PLAINTEXT) {
    throw malformed();
  }
  return {
    header: message.subarray(0, dataAt),
    wrapped: message.subarray(LENGTH_END, saltAt),
    salt: message.subarray(saltAt, commitmentAt),
    commitment: message.subarray(commitmentAt, dataAt),
    sealed: message.subarray(dataAt),
  };
}

/** Opens a message, steps 3 and 4 of spec/envelope.md, "Reading". @throws EnvelopeError `decryption_failed` */
export async function openMessage(dataKey: CryptoKey, message: EnvelopeMessage, bound: Bound): Promise<Bytes> {
  const { header, salt, commitment, sealed } = message;
  const derivation = new KeyDerivation(dataKey, salt, "SHA-512");
  if (!equalsInConstantTime(await derivation.bytes(COMMITMENT_INFO), commitment)) {
    throw decryptionFailed();
  }
  const aad = concat(header, bound.context, bound.additionalData);
  const plaintext = await open(await derivation.cipherKey(KEY_INFO), NONCE, sealed, aad);
  if (plaintext === undefined) {
    throw decryptionFailed();
  }
  return plaintext;
}

/** What a message that is none is refused with. */
export function malformed(): EnvelopeError {
  return new EnvelopeError("malformed", "this is not an envelope message, or not a whole one");
}

/** Whatever is wrong with a message of the right form: one code and one text. */
export function decryptionFailed(): EnvelopeError {
  const text = "the message cannot be decrypted with this data key, context and additional data";
  return new EnvelopeError("decryption_failed", text);
}
