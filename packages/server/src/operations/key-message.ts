import type { MessageInitShape } from "@bufbuild/protobuf";
import type { KeySchema, KeySummarySchema, KeyVersionSchema } from "@bunkms/contract";
import { publicKeyPem } from "../crypto/public-key.ts";
import type { KeyInfo, KeyVersionInfo } from "../vault/key-info.ts";
import type { VersionUse } from "../vault/key-usage.ts";
import type { KeyWithVersions } from "../vault/keys.ts";
import type { CallContext } from "./operation.ts";
import { optionalTimestamp, timestamp } from "./timestamp.ts";

/** A key's metadata as the contract's `KeySummary`. */
export function keySummary(key: KeyInfo) {
  return {
    name: key.name,
    id: key.id,
    type: key.type.name,
    purpose: key.purpose,
    state: key.state,
    tags: { ...key.tags },
    createdAt: timestamp(key.createdAt),
    latestVersion: key.latestVersion,
  } satisfies MessageInitShape<typeof KeySummarySchema>;
}

/** A key's metadata and versions as the contract's `Key`. */
export async function keyMessage(
  { vault }: CallContext,
  { key, versions }: KeyWithVersions,
): Promise<MessageInitShape<typeof KeySchema>> {
  const uses = await vault.usage.of(key.id);
  return {
    ...keySummary(key),
    description: key.description,
    derived: key.derived,
    deterministic: key.deterministic,
    exportable: key.exportable,
    imported: key.imported,
    minDecryptionVersion: key.minDecryptionVersion,
    minEncryptionVersion: key.minEncryptionVersion,
    rotationPeriodSeconds: key.rotationPeriodSeconds,
    legacyVersions: key.legacyVersions,
    ...optionalTimestamp("nextRotationAt", key.nextRotationAt),
    ...optionalTimestamp("deletionAt", key.deletionAt),
    ...optionalTimestamp("revokedAt", key.disabledAt),
    versions: versions.map((version) => keyVersionMessage(version, uses.get(version.version))),
  };
}

/** A version's metadata as the contract's `KeyVersion`. */
export function keyVersionMessage(version: KeyVersionInfo, use: VersionUse | undefined) {
  return {
    version: version.version,
    createdAt: timestamp(version.createdAt),
    state: version.state,
    publicKeyPem: publicKeyPem(version.publicKey),
    ...optionalTimestamp("deletionAt", version.deletionAt),
    ...optionalTimestamp("lastUsedAt", use?.lastUsedAt ?? 0),
    uses: BigInt(use?.uses ?? 0),
  } satisfies MessageInitShape<typeof KeyVersionSchema>;
}
