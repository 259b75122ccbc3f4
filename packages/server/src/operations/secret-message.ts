import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SecretSchema } from "@bunkms/contract";
import type { SecretInfo } from "../vault/secrets.ts";
import { timestamp } from "./timestamp.ts";

/** A secret's metadata as the contract's `Secret`. */
export function secretMessage(secret: SecretInfo): MessageInitShape<typeof SecretSchema> {
  return {
    name: secret.name,
    version: secret.version,
    createdAt: timestamp(secret.createdAt),
    updatedAt: timestamp(secret.updatedAt),
  };
}
