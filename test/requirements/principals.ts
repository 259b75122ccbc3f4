import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Role } from "@bunkms/contract";
import { makeToken } from "../../packages/server/src/access/token-format.ts";
import { operationOf, type Transport } from "./operation-call.ts";

/** A kind of caller. */
export interface Principal {
  readonly name: string;
  readonly token: string | undefined;
  /** The token's id; empty when the server cannot know who calls. */
  readonly id: string;
  /** What it may do; `UNSPECIFIED`: nothing at all. */
  readonly rank: Role;
  /** As the audit log has it; the name unless said otherwise. */
  readonly role?: string;
}

const NOBODY = { id: "", rank: Role.UNSPECIFIED };

/** Every kind of caller there is: those whom nobody knows, and one of each role. */
export async function makePrincipals(transport: Transport, rootToken: string): Promise<readonly Principal[]> {
  const create = async (name: string, role: string, ttl_seconds = 0): Promise<{ token: string; id: string }> => {
    const request = { display_name: name, role, ttl_seconds };
    const answer = await transport.call(operationOf("tokens.create"), request, { token: rootToken });
    assert.equal(answer.code, "ok", answer.text);
    return { token: answer.value["token"] as string, id: answer.value["id"] as string };
  };
  const revoked = await create("revoked", "admin");
  await transport.call(operationOf("tokens.revoke"), { id: revoked.id }, { token: rootToken });
  const expired = await create("expired", "admin", 1);
  const self = await transport.call(operationOf("tokens.get_self"), {}, { token: rootToken });
  const principals: Principal[] = [
    { name: "nobody", token: undefined, ...NOBODY },
    { name: "malformed token", token: "bkms_s_nonsense", ...NOBODY },
    { name: "unknown token", token: makeToken("s"), ...NOBODY },
    { name: "unknown root token", token: makeToken("r"), ...NOBODY },
    { name: "revoked token", token: revoked.token, ...NOBODY },
    { name: "expired token", token: expired.token, ...NOBODY },
    { name: "reader", ...(await create("reader", "reader")), rank: Role.READER },
    { name: "operator", ...(await create("operator", "operator")), rank: Role.OPERATOR },
    { name: "admin", ...(await create("admin", "admin")), rank: Role.ADMIN },
    { name: "root", token: rootToken, id: self.value["id"] as string, rank: Role.ROOT },
  ];
  await sleep(1100);
  return principals;
}

/** Callers with JWTs: one of each role that they have, and those that are none. @param secret The server's. */
export async function jwtPrincipals(transport: Transport, secret: string): Promise<readonly Principal[]> {
  const roles = [
    ["reader", Role.READER],
    ["operator", Role.OPERATOR],
    ["admin", Role.ADMIN],
  ] as const;
  const known = roles.map(async ([role, rank]): Promise<Principal> => {
    const token = signJwt(secret, { role });
    const self = await transport.call(operationOf("tokens.get_self"), {}, { token });
    return { name: `jwt ${role}`, token, id: self.value["id"] as string, rank, role };
  });
  return [
    ...(await Promise.all(known)),
    { name: "jwt root", token: signJwt(secret, { role: "root" }), ...NOBODY },
    { name: "jwt that ended", token: signJwt(secret, { role: "admin", exp: 1 }), ...NOBODY },
    { name: "jwt of another secret", token: signJwt(`${secret}.`, { role: "admin" }), ...NOBODY },
  ];
}

/** A JWT signed with HS256, of an hour unless the claims say otherwise. */
export function signJwt(secret: string, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "somebody", exp, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
