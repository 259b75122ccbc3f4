import { isUtf8 } from "node:buffer";
import { BunkmsError, type DecryptRequest, KeyService } from "@bunkms/contract";
import { additionalData } from "./binding.ts";
import { type Decryption, decryptBare, decrypting } from "./data-cipher.ts";
import type { Used } from "./key-use.ts";
import { type CallContext, defineOperation } from "./operation.ts";

export const decrypt = defineOperation(KeyService.method.decrypt, async (context, request) => {
  const { result, plan } = await decryptEither(context, request);
  return { response: decrypted(result), plan };
});

/** A plaintext as answers have it. */
export function decrypted({ plaintext, version }: Decryption) {
  return {
    plaintextB64: plaintext,
    ...(isUtf8(plaintext) ? { plaintext: plaintext.toString("utf8") } : {}),
    version,
  };
}

function decryptEither(context: CallContext, request: DecryptRequest): Promise<Used<Decryption>> {
  const { keyName, ciphertext, dataB64, version, algorithm } = request;
  const binding = () => additionalData(request);
  if (dataB64.length > 0 && ciphertext !== "") {
    throw new BunkmsError("invalid_request", "give either ciphertext or data_b64, not both");
  }
  if (dataB64.length > 0) {
    return decryptBare(context, keyName, { data: dataB64, version, algorithm }, binding);
  }
  if (version !== 0 || algorithm !== "") {
    throw new BunkmsError("invalid_request", "version and algorithm go with data_b64: a ciphertext names its own");
  }
  return decrypting(context, keyName, (decryptOne) => decryptOne(ciphertext, binding));
}
