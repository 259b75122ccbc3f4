import { KeyService } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { additionalData } from "./binding.ts";
import { encrypting } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";
import { withPlaintext } from "./plaintext.ts";

export const encrypt = defineOperation(KeyService.method.encrypt, async (context, request) => {
  const order = { ...request, purposes: ["encrypt"], count: 1 } as const;
  const { result, plan } = await encrypting(context, order, async ({ version, algorithm, encrypt }) => {
    const { ciphertext, nonce, data } = await withPlaintext(request, (plaintext) =>
      encrypt(plaintext, additionalData(request)),
    );
    return { ciphertext: encodeText(ciphertext), version, algorithm, nonceB64: nonce, dataB64: data };
  });
  return { response: result, plan };
});
