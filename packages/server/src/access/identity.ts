import { Role } from "@bunkms/contract";
import { sha256 } from "../crypto/hash.ts";

/** Who calls. */
export interface Identity {
  /** The token's id, 32 hexadecimal digits; what stands for it where somebody comes without a token of the vault. */
  readonly id: string;
  /** The token's display name, likewise. */
  readonly name: string;
  readonly role: RoleName;
  /** What of that which the role allows he may do; undefined: all. */
  readonly only?: Grant;
}

/** Some actions on some resources. */
export interface Grant {
  readonly actions: readonly string[];
  /** Whole resources, or beginnings of some that end in `*`. */
  readonly resources: readonly string[];
}

/** The id of one who comes without a token of the vault: 32 hexadecimal digits, as those of a token (spec/audit.md). */
export function derivedId(text: string): string {
  return sha256(Buffer.from(text)).toString("hex", 0, 16);
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
