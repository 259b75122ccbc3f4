import { SealFailure } from "../seal.ts";
import { MECHANISMS, type WrapMechanism } from "./mechanisms.ts";

const FORMAT = 1;
const MAX_LENGTH = 4096;

/** The token's key, as the token describes it. */
export interface KeyDescription {
  /** CKA_LABEL, UTF-8, at most 255 bytes. */
  readonly label: Buffer;
  /** CKA_ID, at most 255 bytes; may be empty. */
  readonly id: Buffer;
}

/** What unwrapping needs, and what an operator sees of it. */
export interface WrappedKey extends KeyDescription {
  readonly mechanism: WrapMechanism;
  /** All before `data`; it is authenticated where the mechanism can. */
  readonly header: Buffer;
  /** What the mechanism made. */
  readonly data: Buffer;
}

/**
 * Layout of wrapped bytes: format (1 byte), mechanism (1), length of CKA_ID (1), CKA_ID, length of CKA_LABEL (1), CKA_LABEL,
 * what the mechanism made.
 */
export function headerOf(mechanism: WrapMechanism, { id, label }: KeyDescription): Buffer {
  const start = Buffer.from([FORMAT, mechanism.number, id.length]);
  return Buffer.concat([start, id, Buffer.from([label.length]), label]);
}

/** @throws SealFailure when it is none of ours. */
export function parseWrappedKey(wrapped: Buffer): WrappedKey {
  const mechanism = MECHANISMS.find(({ number }) => number === wrapped[1]);
  const idEnd = 3 + (wrapped[2] ?? 0);
  const labelEnd = idEnd + 1 + (wrapped[idEnd] ?? 0);
  const isComplete = labelEnd < wrapped.length && wrapped.length <= MAX_LENGTH;
  if (wrapped[0] !== FORMAT || mechanism === undefined || !isComplete) {
    throw new SealFailure("the pkcs11 seal's slot is damaged, or of an unknown format");
  }
  return {
    mechanism,
    id: wrapped.subarray(3, idEnd),
    label: wrapped.subarray(idEnd + 1, labelEnd),
    header: wrapped.subarray(0, labelEnd),
    data: wrapped.subarray(labelEnd),
  };
}

/** For people, in one line. */
export function describeKey({ id, label }: KeyDescription): string {
  return `${JSON.stringify(label.toString("utf8"))} (id ${id.length === 0 ? "none" : id.toString("hex")})`;
}
