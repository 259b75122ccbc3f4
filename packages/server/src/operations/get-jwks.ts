import { BunkmsError, KeyTransferService } from "@bunkms/contract";
import { jwkSet } from "../crypto/public-key.ts";
import type { KeyInfo, KeyVersionInfo } from "../vault/key-info.ts";
import { type CallContext, defineOperation } from "./operation.ts";
import { isPublic, jwkMembers, requirePublic } from "./public-key-forms.ts";

/** The most versions that a document has, the newest. */
const MOST_KEYS = 100;

export const getJwks = defineOperation(KeyTransferService.method.getJwks, async (context, { name }) => {
  const key = await context.vault.keys.get(name);
  if (context.caller.id === "" && !isPublic(key)) {
    // A stranger, whom the operator lets in, is not told which secret keys there are.
    throw new BunkmsError("not_found", "there is no key of this name or alias");
  }
  requirePublic(key);
  const versions = key.state === "enabled" ? await trusted(context, key) : [];
  const document = jwkSet(versions.map(({ publicKey }) => ({ spki: publicKey, members: jwkMembers(key, publicKey) })));
  return { response: { contentType: "application/jwk-set+json", data: Buffer.from(JSON.stringify(document)) } };
});

/** The versions whose signatures count, in ascending order. */
async function trusted({ vault }: CallContext, key: KeyInfo): Promise<readonly KeyVersionInfo[]> {
  const versions: KeyVersionInfo[] = [];
  const oldest = Math.max(key.minDecryptionVersion, key.latestVersion - MOST_KEYS + 1);
  for (let number = oldest; number <= key.latestVersion; number++) {
    const version = await vault.keys.version(key, number);
    if (version.state === "enabled") {
      versions.push(version);
    }
  }
  return versions;
}
