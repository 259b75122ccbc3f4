import { KeyTransferService } from "@bunkms/contract";
import { wipe } from "../crypto/kdf.ts";
import type { KeyWrapAlgorithm } from "../crypto/key-wrap.ts";
import { both } from "../vault/plan.ts";
import { importMaterial } from "./key-import.ts";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const importKey = defineOperation(KeyTransferService.method.importKey, async (context, request) => {
  const { name, algorithm, format, wrappedMaterialB64 } = request;
  const { keys, imports } = context.vault;
  const key = await keys.get(name);
  // The contract lets no other algorithm pass.
  const unwrapped = await imports.unwrap(key, algorithm as KeyWrapAlgorithm, wrappedMaterialB64, context.now);
  try {
    const plan = both(await importMaterial(context, key, format, unwrapped.material), unwrapped.used);
    return { response: await keyMessage(context, plan.result), plan };
  } finally {
    wipe(unwrapped.material);
  }
});
