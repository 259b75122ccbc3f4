import { type KeyObject, sign, verify } from "node:crypto";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { formatSignatureLine, type NoteSignature } from "./note.ts";
import { COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, type NoteKey, publicKeyObject } from "./note-key.ts";
import { NoteMalformed } from "./text-form.ts";

const TIMESTAMP_BYTES = 8;
const MAX_VECTOR_BYTES = 255;
const SUBTREE_LABEL = Buffer.from("subtree/v1\n\0", "latin1");

/** One type of cosignature: what is signed, and how long the signature is. */
interface CosignatureType {
  readonly algorithm: string;
  readonly signatureBytes: number;
  /** @throws NoteMalformed for a checkpoint that this type cannot sign. */
  message(key: NoteKey, timestamp: number, text: string, checkpoint: Checkpoint): Buffer;
}

const TYPES: ReadonlyMap<number, CosignatureType> = new Map([
  [
    COSIGNATURE_ED25519,
    {
      algorithm: "ed25519",
      signatureBytes: 64,
      message: (_key, timestamp, text) => Buffer.from(`cosignature/v1\ntime ${timestamp}\n${text}`),
    },
  ],
  [COSIGNATURE_ML_DSA_44, { algorithm: "ml-dsa-44", signatureBytes: 2420, message: subtreeMessage }],
]);

/** Whether a key of this type makes cosignatures, of checkpoints only. */
export function isCosignatureType(type: number): boolean {
  return TYPES.has(type);
}

/**
 * Cosigns a checkpoint (C2SP tlog-cosignature), as a witness does that has checked it.
 *
 * @param text The note's text.
 * @param timestamp Seconds since 1970.
 * @returns The line of the signature, with its newline.
 * @throws NoteMalformed for what is no checkpoint.
 * @throws TypeError when the key is of another type than the private key.
 */
export function cosignCheckpoint(text: string, key: NoteKey, privateKey: KeyObject, timestamp: number): string {
  const type = TYPES.get(key.type);
  if (type === undefined || privateKey.asymmetricKeyType !== type.algorithm) {
    throw new TypeError("the key does not make cosignatures of this type");
  }
  const time = Buffer.alloc(TIMESTAMP_BYTES);
  time.writeBigUInt64BE(BigInt(timestamp));
  const signature = sign(null, type.message(key, timestamp, text, parseCheckpoint(text)), privateKey);
  return formatSignatureLine(key, Buffer.concat([time, signature]));
}

/**
 * Verifies one cosignature of a checkpoint (C2SP tlog-cosignature).
 *
 * @param text The note's text.
 * @returns undefined when it does not verify. The timestamp, in seconds since 1970, is 0 of an ML-DSA-44 cosigner that
 *   does not say that this was the largest tree it saw. One after 2^53 − 1 does not verify.
 */
export function verifyCosignature(
  text: string,
  { signature }: NoteSignature,
  key: NoteKey,
): { readonly timestamp: number } | undefined {
  const type = TYPES.get(key.type);
  if (type === undefined || signature.length !== TIMESTAMP_BYTES + type.signatureBytes) {
    return undefined;
  }
  const timestamp = Number(signature.readBigUInt64BE());
  if (!Number.isSafeInteger(timestamp)) {
    return undefined;
  }
  try {
    const message = type.message(key, timestamp, text, parseCheckpoint(text));
    return verify(null, message, publicKeyObject(key), signature.subarray(TIMESTAMP_BYTES)) ? { timestamp } : undefined;
  } catch (error) {
    if (error instanceof NoteMalformed) {
      return undefined;
    }
    throw error;
  }
}

/** The `cosigned_message` of C2SP tlog-cosignature, of a whole tree. It leaves out the checkpoint's extensions. */
function subtreeMessage({ name }: NoteKey, timestamp: number, _text: string, checkpoint: Checkpoint): Buffer {
  return Buffer.concat([
    SUBTREE_LABEL,
    vector(name),
    uint64(timestamp),
    vector(checkpoint.origin),
    uint64(0),
    uint64(checkpoint.size),
    checkpoint.root,
  ]);
}

/** An `opaque<1..2^8-1>` of RFC 8446 section 3.4. */
function vector(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > MAX_VECTOR_BYTES) {
    throw new NoteMalformed("the checkpoint's origin is too long for an ML-DSA-44 cosignature");
  }
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
