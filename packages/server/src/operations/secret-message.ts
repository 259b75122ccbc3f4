import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SecretSchema, SecretVersionSchema } from "@bunkms/contract";
import type { SecretInfo, SecretVersionInfo } from "../vault/secrets.ts";
import { timestamp } from "./timestamp.ts";

/** A secret's metadata as the contract's `Secret`. */
export function secretMessage(secret: SecretInfo): MessageInitShape<typeof SecretSchema> {
  return {
    name: secret.name,
    version: secret.version,
    createdAt: timestamp(secret.createdAt),
    updatedAt: timestamp(secret.updatedAt),
    maxVersions: secret.maxVersions,
    oldestVersion: secret.oldestVersion,
  };
}

/** A version's metadata as the contract's `SecretVersion`. */
export function secretVersionMessage(version: SecretVersionInfo): MessageInitShape<typeof SecretVersionSchema> {
  return { version: version.version, createdAt: timestamp(version.createdAt), state: version.state };
}
