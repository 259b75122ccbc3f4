import { BunkmsError, KeyTransferService } from "@bunkms/contract";
import { importMaterial } from "./key-import.ts";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const importPlainKey = defineOperation(
  KeyTransferService.method.importPlainKey,
  async (context, { name, format, materialB64 }) => {
    if (!context.secure) {
      throw new BunkmsError("insecure_transport");
    }
    const key = await context.vault.keys.get(name);
    const plan = await importMaterial(context, key, format, materialB64);
    return { response: await keyMessage(context, plan.result), plan };
  },
);
