import { Role } from "@bunkms/contract";

/** Who calls. */
export interface Identity {
  /** The token's id, 32 hexadecimal digits. */
  readonly id: string;
  /** The token's display name. */
  readonly name: string;
  readonly role: RoleName;
}

/** Roles as people write them. Each may do what the ones after it may. */
export type RoleName = "root" | "admin" | "operator" | "reader";

const ROLES: ReadonlyMap<string, Role> = new Map([
  ["root", Role.ROOT],
  ["admin", Role.ADMIN],
  ["operator", Role.OPERATOR],
  ["reader", Role.READER],
]);

/** A stored role's rank. @throws Error for one that is none: no name but these is ever a role. */
export function roleRank(name: string): Role {
  const role = ROLES.get(name);
  if (role === undefined) {
    throw new Error("a stored token has an unknown role");
  }
  return role;
}
