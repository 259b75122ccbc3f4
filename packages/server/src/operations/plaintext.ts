import { wipe } from "../crypto/kdf.ts";

/** The plaintext of a request. */
interface PlaintextRequest {
  readonly data:
    | { readonly case: "plaintext"; readonly value: string }
    | { readonly case: "plaintextB64"; readonly value: Uint8Array }
    | { readonly case: undefined; readonly value?: undefined };
}

/**
 * Lends the plaintext's bytes. Those of a text are zeroed afterwards; the request's own are not, since the same request
 * may be worked out once more: the pipeline zeroes them when it is done.
 */
export function withPlaintext<T>(
  { data }: PlaintextRequest,
  use: (bytes: Uint8Array) => T | Promise<T>,
): T | Promise<T> {
  if (data.case === "plaintextB64") {
    return use(data.value);
  }
  return wipedAfter(Buffer.from(data.value ?? ""), use);
}

/** Lends bytes that are the caller's own, and zeroes them once they were used. */
export function wipedAfter<B extends Uint8Array, T>(bytes: B, use: (bytes: B) => T | Promise<T>): T | Promise<T> {
  let used: T | Promise<T>;
  try {
    used = use(bytes);
  } catch (error) {
    wipe(bytes);
    throw error;
  }
  if (used instanceof Promise) {
    return used.finally(() => wipe(bytes));
  }
  wipe(bytes);
  return used;
}
