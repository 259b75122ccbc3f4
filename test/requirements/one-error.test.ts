import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, grpcTransport, operationOf, restTransport, type Transport } from "./operation-call.ts";
import { makePrincipals } from "./principals.ts";
import { sendRaw } from "./raw-calls.ts";

/** With its header, its tag and this plaintext a ciphertext has 10,000 bits. */
const PLAINTEXT_BYTES = 10_000 / 8 - 117;
const AT_ONCE = 32;

let server: TestServer;
let rest: Transport;
let grpc: Transport;

before(async () => {
  server = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  rest = restTransport(server.url);
  grpc = grpcTransport(server.grpcAddr);
  for (const name of ["own", "other"]) {
    await value("keys.create", { name });
  }
  await value("keys.rotate", { name: "own" });
});

after(async () => {
  rest.close();
  grpc.close();
  await server.remove();
});

async function value(action: string, request: JsonObject): Promise<JsonObject> {
  const answer = await rest.call(operationOf(action), request, { token: server.rootToken });
  assert.equal(answer.code, "ok", answer.text);
  return answer.value;
}

async function encrypt(request: JsonObject): Promise<string> {
  return (await value("keys.encrypt", { key_name: "own", ...request }))["ciphertext"] as string;
}

/** Makes all calls, some at a time. */
async function callAll<T>(inputs: readonly T[], call: (input: T) => Promise<Answer>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < inputs.length; i += AT_ONCE) {
    answers.push(...(await Promise.all(inputs.slice(i, i + AT_ONCE).map(call))));
  }
  return answers;
}

/** The different answers among these, whatever their request ids. */
function kinds(answers: readonly Answer[]): readonly string[] {
  return [...new Set(answers.map(({ requestId: _, ...answer }) => JSON.stringify(answer)))];
}

test("REQ-14 each of the 10,000 bits of a ciphertext, when changed, brings one and the same refusal", async () => {
  const aad = "bound to this";
  const ciphertext = Buffer.from(
    await encrypt({ plaintext_b64: randomBytes(PLAINTEXT_BYTES).toString("base64"), aad }),
    "base64",
  );
  assert.equal(ciphertext.length * 8, 10_000);
  const bits = Array.from({ length: ciphertext.length * 8 }, (_, bit) => bit);
  const answers = await callAll(bits, (bit) => {
    const changed = Buffer.from(ciphertext);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    const request = { key_name: "own", ciphertext: changed.toString("base64"), aad };
    return (bit % 8 === 0 ? grpc : rest).call(operationOf("keys.decrypt"), request, { token: server.rootToken });
  });
  assert.equal(answers.length, 10_000);
  const [overRest, overGrpc] = [
    kinds(answers.filter((_, bit) => bit % 8 !== 0)),
    kinds(answers.filter((_, bit) => bit % 8 === 0)),
  ];
  assert.equal(overRest.length, 1, overRest.join("\n"));
  assert.equal(overGrpc.length, 1, overGrpc.join("\n"));
  assert.match(overRest[0] as string, /"code":"decryption_failed","status":400/);
  assert.match(overGrpc[0] as string, /"code":"decryption_failed","status":3/);
});

test("REQ-14 REQ-17 whatever else is wrong with a ciphertext brings the very same refusal", async () => {
  const plain = await encrypt({ plaintext: "text" });
  const bound = await encrypt({ plaintext: "text", aad: "a" });
  const inContext = await encrypt({ plaintext: "text", context: { a: "b" } });
  const bytes = Buffer.from(plain, "base64");
  const olderVersion = Buffer.from(bytes);
  olderVersion.writeUInt32BE(1, 21);
  const noVersion = Buffer.from(bytes);
  noVersion.writeUInt32BE(3, 21);
  const requests: JsonObject[] = [
    { key_name: "other", ciphertext: plain },
    { ciphertext: plain, aad: "a" },
    { ciphertext: plain, context: { a: "b" } },
    { ciphertext: bound },
    { ciphertext: bound, aad: "A" },
    { ciphertext: bound, context: { a: "" } },
    { ciphertext: inContext },
    { ciphertext: inContext, context: { a: "c" } },
    { ciphertext: inContext, context: { a: "b", c: "d" } },
    { ciphertext: olderVersion.toString("base64") },
    { ciphertext: noVersion.toString("base64") },
    { ciphertext: "" },
    { ciphertext: "AAAA" },
    { ciphertext: "not base64 at all" },
    { ciphertext: randomBytes(200).toString("base64") },
    { ciphertext: `${plain}=` },
    { ciphertext: `${plain}\n` },
    { ciphertext: ` ${plain}` },
    { ciphertext: plain.replace(/=+$/, "") + (plain.endsWith("=") ? "" : "==") },
    { ciphertext: bytes.toString("base64url") + (bytes.toString("base64url") === plain ? "-" : "") },
    { ciphertext: Buffer.concat([bytes, Buffer.of(0)]).toString("base64") },
    { ciphertext: bytes.subarray(0, -1).toString("base64") },
    { ciphertext: bytes.subarray(0, 117).toString("base64") },
    { ciphertext: bytes.subarray(0, 20).toString("base64") },
    { ciphertext: Buffer.concat([bytes, bytes]).toString("base64") },
  ];
  for (const transport of [rest, grpc]) {
    const answers = await callAll(requests, (request) =>
      transport.call(operationOf("keys.decrypt"), { key_name: "own", ...request }, { token: server.rootToken }),
    );
    const found = kinds(answers);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] as string, /"code":"decryption_failed"/);
  }
});

test("REQ-24 the refusals of a token that is malformed, unknown, revoked or expired are alike to the last header", async () => {
  const principals = (await makePrincipals(rest, server.rootToken)).filter(({ id }) => id === "");
  const seen = new Set<string>();
  for (const { token } of principals) {
    const { status, headers, body } = await sendRaw(server.url, { target: "/v1/keys", token });
    const stable = [...headers].filter(([name]) => name !== "date" && name !== "x-request-id");
    seen.add(
      JSON.stringify([status, stable, body.replace(/"request_id":"[^"]*"/, "")]).replace(/"content-length","\d+"/, ""),
    );
  }
  assert.equal(seen.size, 1, [...seen].join("\n"));
});
