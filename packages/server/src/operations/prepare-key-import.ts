import { KeyTransferService } from "@bunkms/contract";
import { KEY_WRAP_ALGORITHMS } from "../crypto/key-wrap.ts";
import { publicKeyPem } from "../crypto/public-key.ts";
import { defineOperation } from "./operation.ts";
import { timestamp } from "./timestamp.ts";

const DEFAULT_WRAPPING_KEY = "rsa-3072";

export const prepareKeyImport = defineOperation(
  KeyTransferService.method.prepareKeyImport,
  async ({ vault, now }, { name, wrappingKeyType }) => {
    const plan = await vault.imports.prepare(await vault.keys.get(name), wrappingKeyType || DEFAULT_WRAPPING_KEY, now);
    const { publicKey, expiresAt } = plan.result;
    return {
      response: {
        wrappingPublicKeyPem: publicKeyPem(publicKey),
        algorithms: [...KEY_WRAP_ALGORITHMS],
        expiresAt: timestamp(expiresAt),
      },
      plan,
    };
  },
);
