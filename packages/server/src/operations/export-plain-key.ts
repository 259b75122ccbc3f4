import { BunkmsError, KeyTransferService } from "@bunkms/contract";
import { isLoopbackAddress } from "../config/loopback.ts";
import { materialFormat } from "../crypto/key-types.ts";
import { ANY_PURPOSE, requireExportable } from "./export-key.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";

export const exportPlainKey = defineOperation(KeyTransferService.method.exportPlainKey, async (context, request) => {
  if (!context.secure && !isLoopbackAddress(context.source)) {
    throw new BunkmsError("insecure_transport", "key material leaves over TLS only, or to the server's own machine");
  }
  const order = { name: request.keyName, purposes: ANY_PURPOSE, requires: requireExportable };
  const { result, plan } = await useKey(context, order, async (use) => {
    const version = await use.version(request.version, "open");
    const { type } = use.key;
    return {
      // Its bytes are the answer's: they are zeroed once it was sent.
      keyMaterialB64: await context.vault.keys.material(use.key, version),
      algorithm: type.exportedAs ?? type.name.toUpperCase(),
      version,
      format: materialFormat(type),
    };
  });
  return { response: result, plan };
});
