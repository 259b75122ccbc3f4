import type { BunkmsClient, EncryptRequest } from "@bunkms/client";
import { Failure } from "../failure.ts";
import type { GroupLimits } from "./groups.ts";

/** Which key the ciphertexts are of, and what all of them are bound to. */
export interface RewrapTarget {
  readonly keyName: string;
  readonly binding: Partial<Pick<EncryptRequest, "binding" | "context">>;
}

/** What came of one ciphertext: the new one, or why there is none. */
export type Outcome =
  | { readonly kind: "rewrapped"; readonly ciphertext: string }
  | { readonly kind: "failed"; readonly code: string; readonly text: string };

/** Requests under way at once. */
export const REQUESTS = 4;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** One request takes 1000 ciphertexts and 4 MiB; the largest ciphertext still fits on top of this. */
const LIMITS = Object.freeze({ ciphertexts: 500, bytes: 2 * 1024 * 1024 });
/** What an item's JSON has around its values. */
const ITEM_BYTES = 64;

/** How many ciphertexts go into one request. */
export function groupLimits({ binding }: RewrapTarget): GroupLimits {
  const value = binding.binding?.value ?? "";
  // In JSON bytes are base64, and a control character of a text takes six bytes.
  const text = JSON.stringify([
    Buffer.from(value).toString(typeof value === "string" ? "utf8" : "base64"),
    binding.context,
  ]);
  return { ...LIMITS, bytesEach: ITEM_BYTES + Buffer.byteLength(text) };
}

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
    throw unexpected();
  }
  return results.map(({ ciphertext, error }) => {
    if (error !== undefined) {
      return { kind: "failed", code: error.code, text: error.error };
    }
    // It goes into a file whose form it must not break.
    if (!BASE64.test(ciphertext)) {
      throw unexpected();
    }
    return { kind: "rewrapped", ciphertext };
  });
}

function unexpected(): Failure {
  return new Failure(
    7,
    "the server's answer does not fit the request",
    "Check the address: something else may answer there.",
  );
}
