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
export async function withPlaintext<T>(
  { data }: PlaintextRequest,
  use: (bytes: Uint8Array) => T | Promise<T>,
): Promise<T> {
  if (data.case === "plaintextB64") {
    return use(data.value);
  }
  const bytes = Buffer.from(data.value ?? "");
  try {
    const used = use(bytes);
    // Not waiting for what is there already: a batch has a thousand of them.
    return used instanceof Promise ? await used : used;
  } finally {
    wipe(bytes);
  }
}
