import assert from "node:assert/strict";
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
