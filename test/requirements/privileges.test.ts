import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { Effect, Role, readOperations } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { makeObjects, sampleRequest } from "./sample-requests.ts";
import { readContent } from "./vault-content.ts";

let server: TestServer;
let transports: readonly [Transport, Transport];

before(async () => {
  server = await startServer({ args: ["--log-level", "silent"] });
  transports = bothTransports(server);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function call(action: string, request: JsonObject = {}, token = server.rootToken): Promise<Answer> {
  return transports[0].call(operationOf(action), request, { token });
}

test("COSMIAN-2026-017 COSMIAN-2026-018 who may use a key can neither rotate nor make, nor does using it change it", async () => {
  const objects = await makeObjects(transports[0], server.rootToken, "used");
  const made = await call("tokens.create", { display_name: "user", role: "operator" });
  const token = made.value["token"] as string;
  const before = await readContent(transports[0], server.rootToken);
  for (const operation of readOperations()) {
    for (const transport of transports) {
      const answer = await transport.call(operation, sampleRequest(operation, objects), { token });
      if (operation.effect === Effect.USE && operation.leastRole <= Role.OPERATOR && !operation.anonymous) {
        assert.equal(answer.code, "ok", `${operation.action}: ${answer.text}`);
      } else if (operation.anonymous && operation.effect !== Effect.READ) {
        // Rests on what is in the request, not on who calls.
        assert.ok(["already_initialised", "invalid_share"].includes(answer.code), operation.action);
      } else if (operation.effect !== Effect.READ && operation.action !== "secrets.put") {
        assert.equal(answer.code, "permission_denied", operation.action);
      }
    }
  }
  const after = await readContent(transports[0], server.rootToken);
  for (const member of ["keys", "tokens", "slots"]) {
    assert.deepEqual(after[member], before[member]);
  }
});

test("CVE-2026-39946 quotes, wildcards and SQL in names, prefixes, filters and page tokens are text or refused", async () => {
  for (const name of ["sql_1", "sqlx1", "sql.1"]) {
    await call("keys.create", { name });
    await call("secrets.put", { name, value: name });
  }
  const before = await readContent(transports[0], server.rootToken);
  const hostile = [
    "'",
    '"',
    "`",
    "' OR '1'='1",
    "x'; DROP TABLE record; --",
    "') OR 1=1 --",
    "%",
    "_",
    "sql%",
    "a\\",
    "?1",
    ":tbl",
    "x/*",
  ];
  for (const transport of transports) {
    const ask = (action: string, request: JsonObject): Promise<Answer> =>
      transport.call(operationOf(action), request, { token: server.rootToken });
    for (const text of hostile) {
      for (const action of ["keys.list", "secrets.list"]) {
        const listed = await ask(action, { prefix: text });
        assert.equal(listed.code, "ok", text);
        assert.deepEqual(listed.value[action.replace(".list", "")], [], `${action} with the prefix ${text}`);
        const page_token = Buffer.from(text).toString("base64url");
        assert.ok(["ok", "invalid_request"].includes((await ask(action, { page_token })).code), text);
      }
      for (const filter of ["operation", "resource", "identity", "outcome", "request_id"]) {
        const found = await ask("audit.list", { [filter]: text });
        assert.deepEqual([found.code, found.value["entries"]], ["ok", []], `${filter} ${text}`);
      }
      if (transport.name === "grpc") {
        assert.equal((await ask("keys.create", { name: text })).code, "invalid_request", text);
        assert.equal((await ask("secrets.get", { name: text })).code, "invalid_request", text);
      }
    }
    // `_` is a letter of names, and no wildcard.
    const listed = await ask("keys.list", { prefix: "sql_" });
    assert.deepEqual(
      (listed.value["keys"] as { name: string }[]).map(({ name }) => name),
      ["sql_1"],
    );
  }
  assert.deepEqual(await readContent(transports[0], server.rootToken), before);
});

test("CVE-2025-6000 no caller decides where the audit log goes, what it is called or whether there is one", async () => {
  const changing = readOperations().filter(({ action, effect }) => /^audit\./.test(action) && effect !== Effect.READ);
  assert.deepEqual(changing.map(({ action }) => action).toSorted(), [
    "audit.archive",
    "audit.prune",
    "audit.release_hold",
    "audit.rotate_key",
    "audit.set_hold",
  ]);
  // Indexes, a name that is no path, and words for people: nothing of it names a place.
  const fields = new Set(changing.flatMap(({ method }) => method.input.fields.map(({ name }) => name)));
  assert.deepEqual([...fields].toSorted(), ["before", "from", "name", "reason", "until"]);
  for (const name of ["../x", "/etc/cron.d/x", "a/b", ".", "x\n"]) {
    const answer = await call("audit.set_hold", { name });
    assert.ok(["invalid_request", "unknown_operation", "no answer"].includes(answer.code), answer.code);
  }
  // A draft of the witness file may be there at any moment.
  const files = (): string[] =>
    readdirSync(dirname(server.dataPath), { recursive: true, encoding: "utf8" })
      .filter((name) => !name.endsWith("witness.new"))
      .toSorted();
  const before = files();
  for (const name of [
    "etc/cron.d/audit",
    "tmp/audit.log",
    "data/bunkms.db",
    "var/log/audit.json",
    "audit",
    "master.key",
  ]) {
    assert.equal((await call("secrets.put", { name, value: "*/1 * * * * id" })).code, "ok");
    await call("keys.create", { name: name.replaceAll("/", ".") });
    await call("tokens.create", { display_name: name.replaceAll("/", "."), role: "admin" });
    await call("audit.list", { resource: `secret/${name}`, request_id: name.replaceAll("/", ".") });
  }
  assert.deepEqual(files(), before);
  for (const name of readdirSync(server.dataPath)) {
    const mode = statSync(join(server.dataPath, name), { throwIfNoEntry: false })?.mode ?? 0;
    assert.equal(mode & 0o077, 0, name);
  }
  const { entries, size } = await readTrail(transports[0], server.rootToken);
  assert.equal(entries.length, size);
});
