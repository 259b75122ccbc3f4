import { type Seal, SealFailure } from "./seal.ts";

const LENGTH_BYTES = 2;
/** Of a key's name in the configuration, as {@link Seal} has it. */
export const MAX_KEY_NAME = 256;

/** What a service wrapped, and the name of the key, or key version, that did it. */
export interface Wrapped {
  readonly keyName: string;
  readonly ciphertext: Buffer;
}

/**
 * Puts the name of the key that wrapped before what it wrapped, so that an alias that moved, or a newer version, does
 * not keep the slot from opening.
 *
 * Layout: length of the name (2 bytes, big-endian), name (UTF-8), ciphertext.
 */
export function joinWrapped({ keyName, ciphertext }: Wrapped): Buffer {
  const name = Buffer.from(keyName, "utf8");
  const header = Buffer.alloc(LENGTH_BYTES);
  header.writeUInt16BE(name.length);
  return Buffer.concat([header, name, ciphertext]);
}

/**
 * The reverse. The name was not authenticated: whoever can write the store chose it, so each seal compares it with what
 * is configured before it asks anybody.
 * @throws SealFailure when the bytes are too few.
 */
export function splitWrapped(bytes: Uint8Array): Wrapped {
  const wrapped = Buffer.from(bytes);
  const nameEnd = wrapped.length < LENGTH_BYTES ? 0 : LENGTH_BYTES + wrapped.readUInt16BE();
  if (nameEnd <= LENGTH_BYTES || nameEnd >= wrapped.length) {
    throw new SealFailure("the slot's wrapped key is damaged");
  }
  return { keyName: wrapped.toString("utf8", LENGTH_BYTES, nameEnd), ciphertext: wrapped.subarray(nameEnd) };
}
