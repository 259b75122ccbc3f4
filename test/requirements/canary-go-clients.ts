import assert from "node:assert/strict";
import { GET_SECRET, PUT_SECRET, RpcSocket, rpcFrame } from "../harness/rpc-socket.ts";
import type { Canaries } from "./canaries.ts";
import { operationOf, type Transport } from "./operation-call.ts";
import { signJwt } from "./principals.ts";

/** Signs in with JWTs, good and bad, and calls by the framed RPC, with and without what it knows. @returns The error texts. */
export async function callAsGoClients(
  transports: readonly Transport[],
  rpcAddress: string,
  jwtSecret: string,
  canaries: Canaries,
): Promise<readonly string[]> {
  const texts: string[] = [];
  const self = operationOf("tokens.get_self");
  for (const transport of transports) {
    const good = signJwt(jwtSecret, { sub: `canary-${transport.name}`, role: "reader" });
    canaries.add(`JWT over ${transport.name}`, Buffer.from(good.slice(good.lastIndexOf(".") + 1)));
    assert.equal((await transport.call(self, {}, { token: good })).code, "ok");
    const sub = `${canaries.text(`subject over ${transport.name}`)}\n`;
    // Never the same character as before, nor the last one, of which only some are canonical.
    const bad = [
      good.replace(/.(?=[^.]{9}$)/, (character) => (character === "A" ? "B" : "A")),
      signJwt(jwtSecret, { sub, role: "reader" }),
    ];
    for (const token of bad) {
      texts.push((await transport.call(self, {}, { token })).text);
    }
  }
  const rpc = await RpcSocket.connect(rpcAddress);
  const value_b64 = canaries.bytes("secret by RPC").toString("base64");
  assert.equal((await rpc.call(PUT_SECRET, { name: "rpc.a", value_b64 }))?.status, 0);
  assert.equal((await rpc.call(GET_SECRET, { name: "rpc.a" }))?.payload["value_b64"], value_b64);
  const canary = (what: string): string => canaries.text(`${what} by RPC`);
  for (const [command, payload] of [
    [PUT_SECRET, `{"name":"rpc.a","value_b64":"${canary("broken value")}!"}`],
    [PUT_SECRET, `{"name":"rpc.a","value":"${canary("two values")}","value_b64":"QQ=="}`],
    [PUT_SECRET, `{"name":"rpc.a","${canary("unknown member")}":"${canary("its value")}"}`],
    [PUT_SECRET, canary("no JSON")],
    [GET_SECRET, `{"name":"${canary("bad name")} x"}`],
    [9, `{"name":"${canary("unknown command")}"}`],
  ] as const) {
    texts.push((await rpc.call(command, payload))?.payload["error"] ?? "");
  }
  rpc.send(rpcFrame(1n, GET_SECRET, canary("half a frame")).subarray(0, -1), Buffer.alloc(64, 0xff));
  await rpc.ended();
  assert.ok(texts.every((text) => text !== ""));
  return texts;
}
