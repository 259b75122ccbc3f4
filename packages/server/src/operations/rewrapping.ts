import { encodeText } from "../crypto/ciphertext.ts";
import { wipe } from "../crypto/kdf.ts";
import { both } from "../vault/plan.ts";
import { additionalData } from "./binding.ts";
import { decrypting, encrypting } from "./data-cipher.ts";
import type { Used } from "./key-use.ts";
import type { CallContext } from "./operation.ts";

/** What is to be brought to the latest version. */
type RewrapRequest = Parameters<typeof additionalData>[0] & { readonly ciphertext: string };

/** What came of it. */
interface Rewrapped {
  readonly ciphertext: string;
  readonly version: number;
  readonly previousVersion: number;
}

/**
 * Encrypts anew what ciphertexts hold, with the latest version, bound to the same additional data.
 * @param count How many.
 * @throws BunkmsError as `useKey`, and what `work` throws.
 */
export async function rewrapping<T>(
  context: CallContext,
  keyName: string,
  count: number,
  work: (rewrapOne: (request: RewrapRequest) => Promise<Rewrapped>) => Promise<T>,
): Promise<Used<T>> {
  const order = { keyName, purposes: ["encrypt", "wrap"], version: 0, algorithm: "", count } as const;
  const outer = await encrypting(context, order, ({ version, encrypt }) =>
    decrypting(context, keyName, (decryptOne) =>
      work(async (request) => {
        const opened = await decryptOne(request.ciphertext, () => additionalData(request));
        try {
          const { ciphertext } = await encrypt(opened.plaintext, additionalData(request));
          return { ciphertext: encodeText(ciphertext), version, previousVersion: opened.version };
        } finally {
          wipe(opened.plaintext);
        }
      }),
    ),
  );
  return { result: outer.result.result, plan: both(outer.plan, outer.result.plan) };
}
