import { derivedId, type Grant } from "./identity.ts";
import type { TokenInfo } from "./tokens.ts";

/** What the framed RPC can do at all. */
const ACTIONS: readonly string[] = ["secrets.get", "secrets.put"];

/**
 * Who calls by the framed RPC, whoever it is: one identity, that may read and write the secrets which the settings name.
 * @param names Whole names, or beginnings of names that end in `*`.
 */
export function rpcIdentity(names: readonly string[]): TokenInfo {
  const only: Grant = Object.freeze({ actions: ACTIONS, resources: names.map((name) => `secret/${name}`) });
  return Object.freeze({
    id: derivedId("bunkms rpc identity"),
    name: "rpc",
    role: "operator",
    createdAt: 0,
    expiresAt: 0,
    only,
  });
}
