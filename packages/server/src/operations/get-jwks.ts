import { KeyTransferService } from "@bunkms/contract";
import { jwkSet } from "../crypto/public-key.ts";
import { defineOperation } from "./operation.ts";
import { jwkMembers, requirePublic } from "./public-key-forms.ts";

export const getJwks = defineOperation(KeyTransferService.method.getJwks, async ({ vault }, { name }) => {
  const key = await vault.keys.get(name);
  requirePublic(key);
  const versions = key.state === "enabled" ? await vault.keys.versions(key) : [];
  const trusted = versions.filter(({ state, version }) => state === "enabled" && version >= key.minDecryptionVersion);
  const document = jwkSet(trusted.map(({ publicKey }) => ({ spki: publicKey, members: jwkMembers(key, publicKey) })));
  return { response: { contentType: "application/jwk-set+json", data: Buffer.from(JSON.stringify(document)) } };
});
