import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AliasSchema } from "@bunkms/contract";
import type { AliasInfo } from "../vault/aliases.ts";
import { timestamp } from "./timestamp.ts";

/** An alias as the contract's `Alias`. */
export function aliasMessage({ alias, keyName, updatedAt }: AliasInfo): MessageInitShape<typeof AliasSchema> {
  return { alias, keyName, updatedAt: timestamp(updatedAt) };
}
