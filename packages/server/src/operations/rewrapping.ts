import { encodeText } from "../crypto/ciphertext.ts";
import { whenDone } from "../crypto/when-done.ts";
import { both } from "../vault/plan.ts";
import { additionalData } from "./binding.ts";
import { decrypting, encrypting } from "./data-cipher.ts";
import type { Used } from "./key-use.ts";
import type { CallContext } from "./operation.ts";
import { wipedAfter } from "./plaintext.ts";

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
  work: (rewrapOne: (request: RewrapRequest) => Rewrapped | Promise<Rewrapped>) => T | Promise<T>,
): Promise<Used<T>> {
  const order = { keyName, purposes: ["encrypt", "wrap"], version: 0, algorithm: "", count } as const;
  const outer = await encrypting(context, order, ({ version, encrypt }) =>
    decrypting(context, keyName, (decryptOne) =>
      work((request) => {
        const binding = () => additionalData(request);
        return whenDone(decryptOne(request.ciphertext, binding), (opened) =>
          wipedAfter(opened.plaintext, (plaintext) =>
            whenDone(encrypt(plaintext, binding()), ({ ciphertext }) => ({
              ciphertext: encodeText(ciphertext),
              version,
              previousVersion: opened.version,
            })),
          ),
        );
      }),
    ),
  );
  return { result: outer.result.result, plan: both(outer.plan, outer.result.plan) };
}
