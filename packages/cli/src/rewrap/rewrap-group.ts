import type { BunkmsClient } from "@bunkms/client";
import { type Binding, unexpectedAnswer } from "./batch.ts";

/** Which key the ciphertexts are of, and what all of them are bound to. */
export interface RewrapTarget {
  readonly keyName: string;
  readonly binding: Binding;
}

/** What came of one ciphertext: the new one, or why there is none. */
export type Outcome =
  | { readonly kind: "rewrapped"; readonly ciphertext: string }
  | { readonly kind: "failed"; readonly code: string; readonly text: string };

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Brings a group of ciphertexts to the key's latest version. @throws what the client throws; Failure */
export async function rewrapGroup(
  client: BunkmsClient,
  { keyName, binding }: RewrapTarget,
  ciphertexts: readonly string[],
): Promise<readonly Outcome[]> {
  if (ciphertexts.length === 0) {
    return [];
  }
  const items = ciphertexts.map((ciphertext) => ({ ciphertext, ...binding }));
  const { results } = await client.keyBatch.rewrapBatch({ name: keyName, items });
  if (results.length !== ciphertexts.length) {
    throw unexpectedAnswer();
  }
  return results.map(({ ciphertext, error }) => {
    if (error !== undefined) {
      return { kind: "failed", code: error.code, text: error.error };
    }
    // It goes into a file whose form it must not break.
    if (!BASE64.test(ciphertext)) {
      throw unexpectedAnswer();
    }
    return { kind: "rewrapped", ciphertext };
  });
}
