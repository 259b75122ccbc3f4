import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Role, readOperations } from "@bunkms/contract";
import { until } from "../harness/audit-entries.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "../requirements/audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "../requirements/operation-call.ts";
import { makeObjects, type Objects, sampleRequest } from "../requirements/sample-requests.ts";
import { goTokens, type TokenOrder } from "./go-programs.ts";

const SECRET = "a secret of both servers, 32 bytes and more";
const order = (more: Partial<TokenOrder> = {}): TokenOrder => ({
  ...{ secret: SECRET, subject: "tenant-auth", role: "operator", seconds: 600 },
  ...more,
});

let server: TestServer;
let transports: readonly [rest: Transport, grpc: Transport];
let objects: Objects;

before(async () => {
  server = await startServer({ env: { BUNKMS_JWT_SECRET: SECRET } });
  transports = bothTransports(server);
  objects = await makeObjects(transports[0], server.rootToken, "jwt");
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

const whoAmI = (transport: Transport, token: string): Promise<Answer> =>
  transport.call(operationOf("tokens.get_self"), {}, { token });

test("a token that the Go server makes is known here, over REST and gRPC, by its subject and role", async () => {
  const [token = ""] = await goTokens([order()]);
  for (const transport of transports) {
    const { code, value } = await whoAmI(transport, token);
    assert.equal(code, "ok");
    assert.deepEqual([value["display_name"], value["role"]], ["jwt:tenant-auth", "operator"]);
    assert.ok(Math.abs(Date.parse(String(value["expires_at"])) - Date.now() - 600_000) < 10_000);
  }
});

test("REQ-20, REQ-34: a JWT's role may do what a token's of the same role may, and never what root may", async () => {
  const roles = [
    ["reader", Role.READER],
    ["operator", Role.OPERATOR],
    ["admin", Role.ADMIN],
  ] as const;
  const tokens = await goTokens(roles.map(([role]) => order({ role, subject: `a-${role}` })));
  for (const [i, [role, rank]] of roles.entries()) {
    for (const operation of readOperations().filter(({ anonymous }) => !anonymous)) {
      // What could be done is not: the request is one that nobody may make, or that finds nothing.
      const isAllowed = operation.leastRole <= rank;
      if (isAllowed) continue;
      for (const transport of transports) {
        const request = sampleRequest(operation, objects);
        const { code } = await transport.call(operation, request, { token: tokens[i] });
        assert.equal(code, "permission_denied", `${role} ${operation.action} ${transport.name}`);
      }
    }
  }
  for (const [role, action, request, code] of [
    ["reader", "keys.get", { name: objects.key }, "ok"],
    ["reader", "secrets.get", { name: objects.secret }, "permission_denied"],
    ["reader", "keys.encrypt", { key_name: objects.key, plaintext: "p" }, "permission_denied"],
    ["operator", "keys.encrypt", { key_name: objects.key, plaintext: "p" }, "ok"],
    ["operator", "secrets.put", { name: "jwt/own", value: "v" }, "ok"],
    ["operator", "secrets.get", { name: objects.secret }, "ok"],
    ["operator", "keys.create", { name: "jwt-own" }, "permission_denied"],
    ["admin", "keys.rotate", { name: objects.key }, "ok"],
    ["admin", "tokens.create", { display_name: "x", role: "admin" }, "permission_denied"],
  ] as const) {
    const token = tokens[roles.findIndex(([name]) => name === role)];
    for (const transport of transports) {
      const answer = await transport.call(operationOf(action), request, { token });
      assert.equal(answer.code, code, `${role} ${action}: ${answer.text}`);
    }
  }
});

test("REQ-32: the audit log shows that somebody came by a JWT, who, and under one id whatever the token", async () => {
  const [first = "", second = "", admin = ""] = await goTokens([
    order(),
    order({ seconds: 500 }),
    order({ role: "admin" }),
  ]);
  for (const token of [first, second, admin]) {
    await transports[0].call(operationOf("keys.encrypt"), { key_name: objects.key, plaintext: "p" }, { token });
  }
  const { entries } = await readTrail(transports[0], server.rootToken);
  const [asAdmin, again, once] = entries.filter(({ operation }) => operation === "keys.encrypt");
  assert.deepEqual([once?.identity_name, once?.role, once?.outcome], ["jwt:tenant-auth", "operator", "ok"]);
  assert.match(once?.identity ?? "", /^[0-9a-f]{32}$/);
  assert.equal(again?.identity, once?.identity);
  assert.equal(asAdmin?.identity_name, "jwt:tenant-auth");
  assert.notEqual(asAdmin?.identity, once?.identity);
  assert.ok(!server.output().includes(first) && !server.output().includes(SECRET));
});

test("no token can be named so that it looks like a JWT's subject", async () => {
  const request = { display_name: "jwt:tenant-auth", role: "operator" };
  const answer = await transports[0].call(operationOf("tokens.create"), request, { token: server.rootToken });
  assert.equal(answer.code, "invalid_request");
});

const BAD: readonly (readonly [what: string, order: TokenOrder])[] = [
  ["no signature", order({ kind: "none", role: "admin" })],
  ["HS384", order({ kind: "HS384" })],
  ["HS512, which the Go server takes", order({ kind: "HS512" })],
  ["RS256", order({ kind: "RS256" })],
  ["a public key as the secret", order({ kind: "public key as secret" })],
  ["another secret", order({ secret: `${SECRET}.` })],
  ["no end", order({ kind: "no exp" })],
  ["expired", order({ seconds: -31 })],
  ["expired long ago", order({ seconds: -86_400 })],
  ["a life that is too long", order({ seconds: 86_400 + 60 })],
  ["not before an hour from now", order({ kind: "not before" })],
  ["no role", order({ kind: "no role" })],
  ["no subject", order({ kind: "no subject" })],
  ["an unknown role", order({ role: "superuser" })],
  ["root", order({ role: "root" })],
  ["for others", order({ kind: "audience" })],
  ["a header with more", order({ kind: "kid" })],
];

test("REQ-34: whatever is wrong with a token made by Go's library, the answer is one and the same, and nothing is done", async () => {
  const [good = "", ...bad] = await goTokens([order({ role: "admin" }), ...BAD.map(([, one]) => one)]);
  const named: [string, string][] = bad.map((token, i) => [BAD[i]?.[0] ?? "", token]);
  const parts = good.split(".");
  const shapes: [string, string][] = [
    ["cut", good.slice(0, -1)],
    ["without its signature", `${parts[0]}.${parts[1]}.`],
    ["of two parts", `${parts[0]}.${parts[1]}`],
    ["of four parts", `${good}.${parts[2]}`],
    ["with padding", `${good}=`],
    [
      "with a changed role",
      `${parts[0]}.${Buffer.from('{"sub":"a","role":"admin","exp":9999999999}').toString("base64url")}.${parts[2]}`,
    ],
    ["that is long", `${good}${"A".repeat(3000)}`],
  ];
  for (const [what, token] of [...named, ...shapes]) {
    for (const transport of transports) {
      const request = { name: "made-by-a-bad-token" };
      const { code, text } = await transport.call(operationOf("keys.create"), request, { token });
      assert.deepEqual(
        [code, text],
        ["unauthenticated", "a valid token is needed: Authorization: Bearer <token>"],
        what,
      );
    }
  }
  const found = await transports[0].call(operationOf("keys.get"), { name: "made-by-a-bad-token" }, { token: good });
  assert.equal(found.code, "not_found");
});

test("REQ-34: a token's end takes effect, also for a connection that is open", async () => {
  // It has ended, but clocks may differ by 30 seconds.
  const [token = ""] = await goTokens([order({ seconds: -15 })]);
  assert.equal((await whoAmI(transports[0], token)).code, "ok");
  await until(async () => (await whoAmI(transports[0], token)).code !== "ok", "the end", 40_000, 500);
  for (const transport of transports) {
    assert.equal((await whoAmI(transport, token)).code, "unauthenticated");
  }
});

test("a server without a secret for them takes none, and one with another secret neither", async () => {
  const [token = ""] = await goTokens([order()]);
  for (const env of [{}, { BUNKMS_JWT_SECRET: "x".repeat(32) }]) {
    const other = await startServer({ env });
    const own = bothTransports(other);
    try {
      for (const transport of own) {
        assert.equal((await whoAmI(transport, token)).code, "unauthenticated");
      }
    } finally {
      closeAll(own);
      await other.remove();
    }
  }
});

test("an issuer and an audience that are required are not in the Go server's tokens, which are refused then", async () => {
  const [token = ""] = await goTokens([order()]);
  const other = await startServer({ env: { BUNKMS_JWT_SECRET: SECRET, BUNKMS_JWT_ISSUER: "bunbase" } });
  const own = bothTransports(other);
  try {
    assert.equal((await whoAmI(own[0], token)).code, "unauthenticated");
  } finally {
    closeAll(own);
    await other.remove();
  }
});
