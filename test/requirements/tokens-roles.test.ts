import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
  for (const request of [{ name: "k" }, { name: "p256", type: "ecdsa-p256" }]) {
    await succeed(rest(), "keys.create", request);
  }
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

const rest = (): Transport => transports[0] as Transport;

function call(
  transport: Transport,
  action: string,
  request: JsonObject = {},
  token = server.rootToken,
): Promise<Answer> {
  return transport.call(operationOf(action), request, { token });
}

async function succeed(transport: Transport, action: string, request: JsonObject): Promise<JsonObject> {
  const { code, text, value } = await call(transport, action, request);
  assert.equal(code, "ok", `${action} over ${transport.name}: ${text}`);
  return value;
}

async function makeToken(role: string): Promise<{ readonly id: string; readonly token: string }> {
  const made = await succeed(rest(), "tokens.create", { display_name: `a-${role}`, role });
  return { id: String(made["id"]), token: String(made["token"]) };
}

const ROOTS = [
  ...[
    "root",
    "Root",
    "ROOT",
    "rOOt",
    " root",
    "root ",
    "\troot",
    "root\n",
    "root\0",
    "\u200broot",
    "r\u043eot",
    "ｒｏｏｔ",
  ],
  ...[
    "root,reader",
    "reader,root",
    "reader root",
    "root/",
    "./root",
    "*",
    "",
    "admin ",
    "Admin",
    "ADMIN",
    "superuser",
    "5",
    "r",
  ],
];

test("CVE-2025-5999 CVE-2025-64761 no spelling of root, nor of another role, is a role that a token can be made with", async () => {
  const before = await rootTokens();
  for (const transport of transports) {
    for (const role of ROOTS) {
      const { code } = await call(transport, "tokens.create", { display_name: "never", role });
      assert.equal(code, "invalid_request", JSON.stringify(role));
    }
  }
  for (const role of ["null", "5", '["root"]', '{"role":"root"}', "true"]) {
    const headers = { authorization: `Bearer ${server.rootToken}`, "content-type": "application/json" };
    const body = `{"display_name":"never","role":${role}}`;
    assert.equal((await fetch(`${server.url}/v1/tokens`, { method: "POST", body, headers })).status, 400, role);
  }
  assert.deepEqual(await rootTokens(), before);
  assert.equal(before.length, 1);
});

async function rootTokens(): Promise<readonly unknown[]> {
  const found: JsonObject[] = [];
  let page_token = "";
  do {
    const page = await succeed(rest(), "tokens.list", { page_size: 1000, page_token });
    found.push(...(page["tokens"] as JsonObject[]));
    page_token = String(page["next_page_token"]);
  } while (page_token !== "");
  assert.doesNotMatch(JSON.stringify(found), /bkms_/);
  return found.filter(({ role }) => role === "root").map(({ id }) => id);
}

test("CVE-2025-5999 a display name gives no rights, whatever it says", async () => {
  const made = await succeed(rest(), "tokens.create", { display_name: "root", role: "reader" });
  const token = String(made["token"]);
  for (const transport of transports) {
    const self = await call(transport, "tokens.get_self", {}, token);
    assert.deepEqual([self.value["role"], self.value["display_name"]], ["reader", "root"]);
    assert.equal((await call(transport, "tokens.list", {}, token)).code, "permission_denied");
  }
});

test("COSMIAN-2026-017 COSMIAN-2026-018 no role but root makes, lists or revokes tokens, and none does what a higher one may", async () => {
  const victim = await makeToken("reader");
  const more: Readonly<Record<string, readonly (readonly [action: string, request: JsonObject])[]>> = {
    admin: [],
    operator: [
      ["keys.create", { name: "never" }],
      ["keys.rotate", { name: "k" }],
      ["secrets.delete", { name: "a" }],
      ["audit.list", {}],
    ],
    reader: [
      ["keys.encrypt", { key_name: "k", plaintext: "x" }],
      ["keys.sign", { name: "p256", message_b64: "" }],
      ["keys.generate_data_key", { name: "k" }],
      ["keys.rotate", { name: "k" }],
      ["secrets.put", { name: "a", value: "x" }],
      ["secrets.get", { name: "a" }],
    ],
  };
  for (const [role, requests] of Object.entries(more)) {
    const own = await makeToken(role);
    for (const transport of transports) {
      for (const [action, request] of [
        ...["admin", "operator", "reader"].map(
          (made) => ["tokens.create", { display_name: "never", role: made }] as const,
        ),
        ["tokens.list", {}] as const,
        ["tokens.revoke", { id: victim.id }] as const,
        ["tokens.revoke", { id: own.id }] as const,
        ["tokens.revoke", { id: "0".repeat(32) }] as const,
        ...requests,
      ]) {
        const { code } = await call(transport, action, request, own.token);
        assert.equal(code, "permission_denied", `${role}: ${action} over ${transport.name}`);
      }
      assert.equal((await call(transport, "tokens.get_self", {}, own.token)).code, "ok");
    }
  }
  assert.equal((await call(rest(), "tokens.get_self", {}, victim.token)).code, "ok");
  assert.equal((await succeed(rest(), "keys.get", { name: "k" }))["latest_version"], 1);
});

test("REQ-33 a root token cannot revoke itself, so that nobody locks the door behind him", async () => {
  const { id } = await succeed(rest(), "tokens.get_self", {});
  for (const transport of transports) {
    const { code, text } = await call(transport, "tokens.revoke", { id: String(id) });
    assert.equal(code, "invalid_request");
    assert.match(text, /cannot revoke itself/);
    assert.equal((await call(transport, "tokens.get_self")).code, "ok");
  }
});
