/**
 * A seal keeps the root key: it wraps its 32 bytes so that they may lie in the store, and opens them again.
 * What holds the wrapping key (an environment variable, a token, a cloud account) is the seal's own affair.
 */
export interface Seal {
  /** For example `env`, in ASCII, at most 32 characters. Names the seal in slots, status and errors. */
  readonly kind: string;
  /** Which wrapping key it is, for people: a key's ARN, a token's and a key's label. Not secret; at most 256 characters. */
  readonly keyName: string;
  /**
   * @param context Bound to the wrapping: which cluster and slot it is for.
   * @returns At most 8 KiB.
   * @throws SealUnavailable; the signal's reason when it is aborted.
   */
  wrap(rootKey: Uint8Array, context: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  /**
   * The caller zeroes the result after use.
   * @throws SealFailure when the key is not the one that wrapped, or the bytes were changed.
   * @throws SealUnavailable when whoever holds the wrapping key cannot be asked now; the signal's reason when it is aborted.
   */
  unwrap(wrapped: Uint8Array, context: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  /** Lets go of keys, sessions and connections. */
  close(): Promise<void>;
}

/** The seal could not open the wrapped root key, and will not however often it is asked. */
export class SealFailure extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SealFailure";
  }
}

/** Whoever holds the wrapping key is down, slow, or refuses its credentials: it may work later. The text says what to look at. */
export class SealUnavailable extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "SealUnavailable";
  }
}
