/**
 * Why an envelope message does not open. Codes are stable, texts may change (spec/envelope.md, "Reading").
 *
 * - `malformed`: it is not an envelope message, or not a whole one.
 * - `decryption_failed`: something is not as it was sealed: the message, the data key, the context or the additional data.
 */
export type EnvelopeErrorCode = "malformed" | "decryption_failed";

/** An envelope message that does not open. Nothing of it was handed on. */
export class EnvelopeError extends Error {
  readonly code: EnvelopeErrorCode;

  constructor(code: EnvelopeErrorCode, message: string) {
    super(message);
    this.name = "EnvelopeError";
    this.code = code;
  }
}
