import { type OperationSpec, Role } from "@bunkms/contract";
import { type Grant, type Identity, roleRank } from "./identity.ts";

/** Decides whether somebody may do something. It sees the operation and its typed resource, never a path or URL. */
export type Authorise = (identity: Identity, operation: OperationSpec, resource: string) => boolean;

/**
 * The rule until policies come: the contract names the least role of each operation, and everything else is denied.
 * `ROLE_UNSPECIFIED` cannot occur, since the registry does not start with it; were it to, nobody would pass.
 */
export const authoriseByRole: Authorise = (identity, operation, resource) =>
  operation.leastRole !== Role.UNSPECIFIED &&
  roleRank(identity.role) >= operation.leastRole &&
  (identity.only === undefined || isGranted(identity.only, operation.action, resource));

function isGranted({ actions, resources }: Grant, action: string, resource: string): boolean {
  const fits = (granted: string): boolean =>
    granted.endsWith("*") ? resource.startsWith(granted.slice(0, -1)) : resource === granted;
  return actions.includes(action) && resources.some(fits);
}
