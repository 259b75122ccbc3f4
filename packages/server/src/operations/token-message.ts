import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenSchema } from "@bunkms/contract";
import type { TokenInfo } from "../access/tokens.ts";
import { timestamp } from "./timestamp.ts";

/** A token's metadata as the contract's `Token`. */
export function tokenMessage(token: TokenInfo): MessageInitShape<typeof TokenSchema> {
  return {
    id: token.id,
    displayName: token.name,
    role: token.role,
    createdAt: timestamp(token.createdAt),
    ...(token.expiresAt === 0 ? {} : { expiresAt: timestamp(token.expiresAt) }),
  };
}
