import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createValidator } from "@bufbuild/protovalidate";
import { BunkmsError, readOperations } from "@bunkms/contract";
import { requestFromHttp } from "../../packages/server/src/api/rest-request.ts";
import { Router } from "../../packages/server/src/api/router.ts";
import { auditFields, resourceOf } from "../../packages/server/src/pipeline/audit-fields.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { seeded } from "../vectors/seeded.ts";
import { readTrail } from "./audit-trail.ts";
import { aliasOf, plainReading } from "./name-aliases.ts";
import { bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { errorCode, sendRaw } from "./raw-calls.ts";

const ALIASES = process.env["BUNKMS_SOAK"] === "1" ? 1_000_000 : 100_000;
const SAMPLED = 400;

const NAMES = ["a", "team/db-password", "Kiosk/Stress.test_1/x", "k.k/s"];
/** Aliases, each with its key. One of them has the name of the other's key. */
const KEY_OF_ALIAS: Readonly<Record<string, string>> = { live: "blue-key", blue: "live" };
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,255}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,255})*$/;

let server: TestServer;
let transports: readonly [Transport, Transport];
let readerToken: string;

before(async () => {
  server = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  transports = bothTransports(server);
  for (const name of NAMES) {
    assert.equal((await call("secrets.put", { name, value: name })).code, "ok");
  }
  for (const [alias, key_name] of Object.entries(KEY_OF_ALIAS)) {
    assert.equal((await call("keys.create", { name: key_name })).code, "ok");
    assert.equal((await call("aliases.set", { alias, key_name })).code, "ok");
  }
  readerToken = (await call("tokens.create", { display_name: "reader", role: "reader" })).value["token"] as string;
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function call(action: string, request: Record<string, string>) {
  return transports[0].call(operationOf(action), request, { token: server.rootToken });
}

test(`REQ-22 of ${ALIASES} spellings none means to the policy what it does not mean to the handler`, (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const router = new Router(readOperations());
  const validator = createValidator();
  const auditKey = createSecretKey(randomBytes(32));
  let accepted = 0;
  for (let i = 0; i < ALIASES; i++) {
    const name = NAMES[i % NAMES.length] as string;
    const alias = aliasOf(name, random);
    const path = `/v1/secrets/${alias}`;
    const { operation, path: values } = router.find("GET", path);
    if (operation instanceof BunkmsError || operation.action !== "secrets.get") {
      continue;
    }
    const message = requestFromHttp(operation, values, "", {});
    if (validator.validate(operation.method.input, message as never).kind !== "valid") {
      continue;
    }
    accepted += 1;
    const handled = (message as unknown as { name: string }).name;
    const meant = plainReading(alias);
    assert.equal(handled, meant, `the handler gets another name: ${path}`);
    assert.match(handled, NAME, path);
    assert.equal(resourceOf(operation, message), `secret/${handled}`, path);
    assert.deepEqual(auditFields(operation.auditRequest, message, auditKey), { name: handled }, path);
  }
  t.diagnostic(`${accepted} were names`);
  assert.ok(accepted > ALIASES / 50 && accepted < ALIASES / 2);
});

test("REQ-22 CVE-2026-3605 the server gives a secret out under its own name only, and records just that name", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const sent = new Map<string, { readonly alias: string; readonly code: string }>();
  let opened = 0;
  for (let i = 0; i < SAMPLED; i++) {
    const alias = aliasOf(NAMES[i % NAMES.length] as string, random);
    const requestId = `alias-${i}`;
    const headers = [`x-request-id: ${requestId}`];
    const answer = await sendRaw(server.url, { target: `/v1/secrets/${alias}`, token: server.rootToken, headers });
    sent.set(requestId, { alias, code: answer.status === 200 ? "ok" : errorCode(answer) });
    if (answer.status === 200) {
      opened += 1;
      assert.equal((JSON.parse(answer.body) as { value: string }).value, plainReading(alias), alias);
    }
  }
  assert.ok(opened > 5);
  const { entries } = await readTrail(transports[0], server.rootToken);
  for (const [requestId, { alias, code }] of sent) {
    const entry = entries.find((candidate) => candidate.request_id === requestId);
    assert.equal(entry?.outcome ?? code, code, alias);
    const known = code === "ok" || code === "not_found";
    assert.equal(entry?.resource ?? "", known ? `secret/${plainReading(alias)}` : "", alias);
  }
});

test("REQ-22 the server finds a key under its own name and its alias only, and records the key's own name", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const names = ["@live", "@blue", "live", "blue-key"];
  const asTheyAre = [...names, "%40live"];
  const sent = new Map<string, { readonly target: string; readonly key: string | undefined; readonly code: string }>();
  for (let i = 0; i < SAMPLED; i++) {
    const spelt = asTheyAre[i] ?? aliasOf(names[i % names.length] as string, random);
    const target = `/v1/keys/${spelt}`;
    const meant = plainReading(spelt) ?? "";
    const key = meant.startsWith("@") ? KEY_OF_ALIAS[meant.slice(1)] : meant;
    const requestId = `key-${i}`;
    const headers = [`x-request-id: ${requestId}`];
    const answer = await sendRaw(server.url, { target, token: server.rootToken, headers });
    const code = answer.status === 200 ? "ok" : errorCode(answer);
    sent.set(requestId, { target, key, code });
    if (code === "ok") {
      assert.ok(key !== undefined && Object.values(KEY_OF_ALIAS).includes(key), target);
      assert.equal((JSON.parse(answer.body) as { name: string }).name, key, target);
    }
  }
  const opened = [...sent.values()].filter(({ code }) => code === "ok");
  assert.ok(opened.length > 8 && opened.some(({ target }) => target.includes("%40")));
  const { entries } = await readTrail(transports[0], server.rootToken);
  for (const [requestId, { target, key, code }] of sent) {
    const entry = entries.find((candidate) => candidate.request_id === requestId);
    if (code === "ok") {
      assert.equal(entry?.resource, `key/${key}`, target);
      assert.equal(entry?.request["name"], key, target);
    }
    assert.doesNotMatch(entry?.resource ?? "", /@(live|blue)$/, target);
  }
});

test("REQ-22 CVE-2026-3605 no spelling lets a reader read a secret, or reach through one operation into another", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const ways = [
    "/v1/secrets/",
    "/v1/keys/../secrets/",
    "/v1/tokens/self/../../secrets/",
    "/v1/./secrets/",
    "/v1//secrets/",
  ];
  const more = [
    "/v1/secrets/%2e%2e/secrets/",
    "/health/../v1/secrets/",
    "/ready/../v1/secrets/",
    "/V1/secrets/",
    "/v1/secrets%2F",
  ];
  for (let i = 0; i < SAMPLED; i++) {
    const way = [...ways, ...more][i % 10] as string;
    const name = NAMES[i % NAMES.length] as string;
    const target = `${way}${i < 40 ? name : aliasOf(name, random)}`;
    const answer = await sendRaw(server.url, { target, token: readerToken });
    assert.ok(answer.status >= 400 && answer.status < 500, `${target}: ${answer.status}`);
    assert.ok(!answer.body.includes("value"), target);
  }
});

test("CVE-2026-63131 a trailing slash makes no list of a secret's path and no other list than the one that was asked", async () => {
  for (const target of [
    "/v1/secrets/",
    "/v1/keys/",
    "/v1/tokens/",
    "/v1/secrets/team/",
    "/v1/secrets//",
    "/v1/secrets/%2F",
  ]) {
    const answer = await sendRaw(server.url, { target, token: server.rootToken });
    assert.ok(answer.status === 404 || answer.status === 400, `${target}: ${answer.status}`);
  }
  const listed = await call("secrets.list", { prefix: "team/" });
  assert.deepEqual(
    (listed.value["secrets"] as { name: string }[]).map(({ name }) => name),
    ["team/db-password"],
  );
});

test("REQ-22 over gRPC and in bodies a name is what its bytes say, or it is refused", async () => {
  const names = [
    ...[
      "A",
      "team/db-password/",
      "/team/db-password",
      "team//db-password",
      "team/./db-password",
      "team/x/../db-password",
    ],
    ...[
      "team%2Fdb-password",
      "team/db-password\0",
      "team/db-password\n",
      " a",
      "a ",
      "ａ",
      "á",
      "a\u200b",
      "\ufeffa",
      ".",
      "..",
    ],
    ...["team\\db-password", "-a", "_a", ".a", "team/.a", "a".repeat(257), `${"a/".repeat(513)}a`, ""],
  ];
  for (const transport of transports) {
    for (const name of names) {
      for (const [action, request] of [
        ["secrets.get", { name }],
        ["secrets.put", { name, value: "x" }],
        ["keys.create", { name }],
        ["keys.rotate", { name }],
        ["keys.disable", { name: `@${name}` }],
        ["aliases.set", { alias: name, key_name: "blue-key" }],
        ["aliases.set", { alias: "other", key_name: name }],
      ] as const) {
        if (transport.name === "rest" && !operationOf(action).route.template.endsWith("s")) {
          continue;
        }
        const { code } = await transport.call(operationOf(action), request, { token: server.rootToken });
        const mayBe = name === "A" ? ["ok", "not_found", "already_exists"] : ["invalid_request"];
        assert.ok(mayBe.includes(code), `${action} ${JSON.stringify(name)} over ${transport.name}: ${code}`);
      }
    }
  }
  assert.equal((await call("secrets.get", { name: "a" })).value["value"], "a");
});
