import { BunkmsError, KeyTransferService } from "@bunkms/contract";
import { sha256 } from "../crypto/hash.ts";
import { wipe } from "../crypto/kdf.ts";
import type { Purpose } from "../crypto/key-type.ts";
import { materialFormat } from "../crypto/key-types.ts";
import { KEY_WRAP_ALGORITHMS, type KeyWrapAlgorithm, wrapForExport } from "../crypto/key-wrap.ts";
import { readPublicKeyPem } from "../crypto/public-key.ts";
import type { KeyInfo } from "../vault/key-info.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";

/** A key may be exported whatever else it is for. */
export const ANY_PURPOSE: readonly Purpose[] = ["encrypt", "wrap", "sign", "mac", "agree"];

export const exportKey = defineOperation(KeyTransferService.method.exportKey, async (context, request) => {
  const { name, publicKeyPem } = request;
  // The contract lets no other algorithm pass.
  const algorithm = (request.algorithm || KEY_WRAP_ALGORITHMS[0]) as KeyWrapAlgorithm;
  const order = { name, purposes: ANY_PURPOSE, requires: requireExportable };
  const { result, plan } = await useKey(context, order, async (use) => {
    const version = await use.version(request.version, "open");
    const recipient = readPublicKeyPem(publicKeyPem);
    const material = await context.vault.keys.material(use.key, version);
    try {
      return {
        wrappedMaterialB64: await wrapForExport(recipient, algorithm, material),
        version,
        format: materialFormat(use.key.type),
        algorithm,
        recipientFingerprint: sha256(recipient.export({ format: "der", type: "spki" })).toString("hex"),
      };
    } finally {
      wipe(material);
    }
  });
  return { response: result, plan };
});

/** @throws BunkmsError `wrong_key_usage` */
export function requireExportable({ exportable }: KeyInfo): void {
  if (!exportable) {
    throw new BunkmsError("wrong_key_usage", "the key was not created exportable");
  }
}
