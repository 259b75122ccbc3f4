/**
 * A seal keeps the root key: it wraps its 32 bytes so that they may lie in the store, and opens them again.
 * What holds the wrapping key (an environment variable, a token, a cloud account) is the seal's own affair.
 */
export interface Seal {
  /** For example `env`. Names the seal in slots, status and errors. */
  readonly kind: string;
  /** @param context Bound to the wrapping: which cluster and slot it is for. */
  wrap(rootKey: Uint8Array, context: Uint8Array): Promise<Buffer>;
  /**
   * The caller zeroes the result after use.
   * @throws SealFailure when the key is not the one that wrapped, or the bytes were changed.
   */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Buffer>;
}

/** The seal could not open the wrapped root key. */
export class SealFailure extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SealFailure";
  }
}
