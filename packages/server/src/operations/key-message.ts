import type { MessageInitShape } from "@bufbuild/protobuf";
import type { KeySchema, KeySummarySchema } from "@bunkms/contract";
import { publicKeyPem } from "../crypto/public-key.ts";
import type { KeyInfo, KeyWithVersions } from "../vault/keys.ts";
import { timestamp } from "./timestamp.ts";

/** A key's metadata as the contract's `KeySummary`. */
export function keySummary(key: KeyInfo) {
  return {
    name: key.name,
    id: key.id,
    type: key.type.name,
    purpose: key.purpose,
    createdAt: timestamp(key.createdAt),
    latestVersion: key.latestVersion,
  } satisfies MessageInitShape<typeof KeySummarySchema>;
}

/** A key's metadata and versions as the contract's `Key`. */
export function keyMessage({ key, versions }: KeyWithVersions): MessageInitShape<typeof KeySchema> {
  return {
    ...keySummary(key),
    versions: versions.map((version) => ({
      version: version.version,
      createdAt: timestamp(version.createdAt),
      state: version.state,
      publicKeyPem: publicKeyPem(version.publicKey),
    })),
  };
}
