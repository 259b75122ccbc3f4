import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { ERRORS } from "@bunkms/contract";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import { operationOf } from "./operation-call.ts";
import { readContent } from "./vault-content.ts";

let server: InProcessServer;

before(async () => {
  server = await startInProcess();
  for (const request of [
    { name: "aes" },
    { name: "ec", type: "ecdsa-p256" },
    { name: "mac", type: "hmac-sha256" },
    { name: "kem", type: "ml-kem-768" },
    { name: "dh", type: "x25519" },
    { name: "rsa", type: "rsa-2048", purpose: "encrypt" },
  ]) {
    await server.value("keys.create", request);
  }
  await server.value("keys.rotate", { name: "aes" });
});

after(() => server[Symbol.asyncDispose]());

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly error: string;
}

/** Sends a body as it is. */
async function send(method: string, path: string, body?: string): Promise<Refused> {
  const headers = { authorization: `Bearer ${server.rootToken}`, "content-type": "application/json" };
  const response = await fetch(`${server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const { code = "ok", error = "" } = (await response.json()) as { code?: string; error?: string };
  return { status: response.status, code, error };
}

/** Paths that take a body, with members that are right. */
const PATHS: readonly (readonly [method: string, path: string, right: JsonObject])[] = [
  ["PATCH", "/v1/keys/aes", {}],
  ["POST", "/v1/keys/aes/enable", {}],
  ["POST", "/v1/keys/aes/disable", {}],
  ["POST", "/v1/keys/aes/schedule-deletion", {}],
  ["POST", "/v1/keys/aes/cancel-deletion", {}],
  ["POST", "/v1/keys/aes/versions/1/enable", {}],
  ["POST", "/v1/keys/aes/versions/1/disable", {}],
  ["POST", "/v1/keys/aes/versions/1/schedule-deletion", {}],
  ["POST", "/v1/keys/aes/versions/1/cancel-deletion", {}],
  ["PUT", "/v1/aliases/other", { key_name: "aes" }],
  ["POST", "/v1/keys/mac/mac", { message_b64: "AAAA" }],
  ["POST", "/v1/keys/mac/mac/verify", { message_b64: "AAAA", mac_b64: "AAAA" }],
  ["POST", "/v1/keys/kem/encapsulate", {}],
  ["POST", "/v1/keys/kem/decapsulate", { encapsulation_b64: "AAAA" }],
  ["POST", "/v1/keys/dh/derive", { public_key_b64: "AAAA" }],
  ["POST", "/v1/keys/aes/rewrap", { ciphertext: "AAAA" }],
];

const WRONG_BODIES: readonly ((right: JsonObject) => string)[] = [
  () => "[]",
  () => '"text"',
  () => "null",
  () => "1",
  () => "{",
  (right) => `${JSON.stringify(right)} x`,
  (right) => JSON.stringify({ ...right, unknown_field: 1 }),
  (right) => `{"__proto__":{"a":1}${JSON.stringify(right).replace("{", ",").replace(/^,}$/, "}")}`,
  (right) => JSON.stringify({ ...right, constructor: {} }),
  (right) => JSON.stringify({ ...right, $type: "x" }),
];

/** Does something, and checks that it changed nothing. */
async function changingNothing(work: () => Promise<void>): Promise<void> {
  const before = await readContent(server.transports[0], server.rootToken);
  await work();
  assert.deepEqual(await readContent(server.transports[0], server.rootToken), before);
}

test("bodies that are no object, have more in them, or fields that nobody knows, are refused and change nothing", async () => {
  await changingNothing(async () => {
    for (const [method, path, right] of PATHS) {
      for (const make of WRONG_BODIES) {
        const body = make(right);
        const answer = await send(method, path, body);
        assert.deepEqual([answer.status, answer.code], [400, "invalid_request"], `${method} ${path} ${body}`);
        assert.ok(answer.error.length > 10 && answer.error.length < 300, answer.error);
      }
    }
  });
});

/** A wrong member, and what the error must say. */
const WRONG_MEMBERS: readonly (readonly [method: string, path: string, member: JsonObject, says: RegExp])[] = [
  ...["6", "31", "1", "5.5", "-7", "4294967296", '"7 days"', "true", "[7]", "{}"].map(
    (days) => ["POST", "/v1/keys/aes/schedule-deletion", { window_days: JSON.parse(days) }, /window_days/] as const,
  ),
  ...[6, 31, -1].map(
    (window_days) => ["POST", "/v1/keys/aes/versions/1/schedule-deletion", { window_days }, /window_days/] as const,
  ),
  ["PATCH", "/v1/keys/aes", { tags: ["a"] }, /tags/],
  ["PATCH", "/v1/keys/aes", { tags: "a=b" }, /tags/],
  ["PATCH", "/v1/keys/aes", { tags: { a: 1 } }, /tags/],
  ["PATCH", "/v1/keys/aes", { tags: { a: null } }, /tags/],
  ["PATCH", "/v1/keys/aes", { tags: { a: ["b"] } }, /tags/],
  ...["", " ", "a b", "a=b", "-a", "ä", "a\n", "a".repeat(129), "__proto__", "@a"].map(
    (name) => ["PATCH", "/v1/keys/aes", { tags: { [name]: "v" } }, /tags/] as const,
  ),
  ["PATCH", "/v1/keys/aes", { tags: { a: "v".repeat(257) } }, /tags/],
  ["PATCH", "/v1/keys/aes", { tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t${i}`, ""])) }, /tags/],
  ["PATCH", "/v1/keys/aes", { remove_tags: { a: 1 } }, /remove_tags/],
  ["PATCH", "/v1/keys/aes", { remove_tags: "a" }, /remove_tags/],
  ["PATCH", "/v1/keys/aes", { remove_tags: [1] }, /remove_tags/],
  ["PATCH", "/v1/keys/aes", { remove_tags: Array(33).fill("a") }, /remove_tags/],
  ["PATCH", "/v1/keys/aes", { description: "d".repeat(1025) }, /description/],
  ["PATCH", "/v1/keys/aes", { description: 1 }, /description/],
  ["PATCH", "/v1/keys/aes", { rotation_period_seconds: 3599 }, /rotation_period_seconds/],
  ["PATCH", "/v1/keys/aes", { rotation_period_seconds: -1 }, /rotation_period_seconds/],
  ["PATCH", "/v1/keys/aes", { rotation_period_seconds: 4294967296 }, /rotation_period_seconds/],
  ["PATCH", "/v1/keys/aes", { rotation_period_seconds: "1h" }, /rotation_period_seconds/],
  ["PATCH", "/v1/keys/aes", { min_decryption_version: -1 }, /min_decryption_version/],
  ["PATCH", "/v1/keys/aes", { min_encryption_version: 1.5 }, /min_encryption_version/],
  ["PUT", "/v1/aliases/other", { key_name: "" }, /key_name/],
  ["PUT", "/v1/aliases/other", { key_name: "@aes" }, /key_name/],
  ["PUT", "/v1/aliases/other", { key_name: ["aes"] }, /key_name/],
  ["PUT", "/v1/aliases/other", {}, /key_name/],
  ["POST", "/v1/keys/mac/mac", { message_b64: "not base64" }, /message_b64/],
  ["POST", "/v1/keys/mac/mac", { message_b64: Buffer.alloc(524_289).toString("base64") }, /message_b64/],
  ["POST", "/v1/keys/mac/mac", { message_b64: "AAAA", context: { a: "b" } }, /context/],
  ["POST", "/v1/keys/mac/mac", { message_b64: "AAAA", context: ["a"] }, /context/],
  ["POST", "/v1/keys/mac/mac", { message_b64: "AAAA", context: { "": "b" } }, /context/],
  ["POST", "/v1/keys/mac/mac/verify", { message_b64: "AAAA", mac_b64: "" }, /mac_b64/],
  ["POST", "/v1/keys/mac/mac/verify", { message_b64: "AAAA" }, /mac_b64/],
  ["POST", "/v1/keys/mac/mac/verify", { message_b64: "AAAA", mac_b64: Buffer.alloc(65).toString("base64") }, /mac_b64/],
  ["POST", "/v1/keys/kem/encapsulate", { version: -1 }, /version/],
  ["POST", "/v1/keys/kem/decapsulate", {}, /encapsulation_b64/],
  ["POST", "/v1/keys/kem/decapsulate", { encapsulation_b64: Buffer.alloc(4097).toString("base64") }, /encapsulation/],
  ["POST", "/v1/keys/dh/derive", {}, /public_key_b64/],
  ["POST", "/v1/keys/dh/derive", { public_key_b64: Buffer.alloc(4097).toString("base64") }, /public_key_b64/],
  ["POST", "/v1/keys/aes/rewrap", { ciphertext: "A".repeat(720_897) }, /ciphertext/],
  ["POST", "/v1/keys/aes/rewrap", { ciphertext: "AAAA", aad: "a", aad_b64: "AAAA" }, /aad|binding/],
  ["POST", "/v1/keys/aes/rewrap", { ciphertext: "AAAA", aad: "a", context: { a: "b" } }, /aad/],
  ["POST", "/v1/keys/aes/rewrap", { ciphertext: "AAAA", aad: "a".repeat(32_769) }, /aad/],
  ["POST", "/v1/decrypt/rsa", { data_b64: "AAAA", ciphertext: "AAAA" }, /data_b64/],
  ["POST", "/v1/decrypt/rsa", { data_b64: Buffer.alloc(1025).toString("base64") }, /data_b64/],
  ["POST", "/v1/decrypt/aes", { data_b64: "AAAA" }, /data_b64/],
  ["POST", "/v1/decrypt/aes", { ciphertext: "AAAA", version: 1 }, /version/],
  ["POST", "/v1/decrypt/aes", { ciphertext: "AAAA", algorithm: "aes-256" }, /algorithm/],
];

test("each wrong member is refused with an error that names it, and nothing changes", async () => {
  await changingNothing(async () => {
    for (const [method, path, member, says] of WRONG_MEMBERS) {
      const answer = await send(method, path, JSON.stringify(member));
      const what = `${method} ${path} ${JSON.stringify(member).slice(0, 100)}`;
      assert.deepEqual([answer.status, answer.code], [400, "invalid_request"], `${what}: ${answer.error}`);
      assert.match(answer.error, says, what);
    }
  });
});

/** What is well formed and still wrong, each with its own code. */
const WRONG_VALUES: readonly (readonly [action: string, request: JsonObject, code: keyof typeof ERRORS])[] = [
  ["keys.generate_mac", { name: "mac", message_b64: "AAAA", version: 2 }, "unknown_version"],
  ["keys.verify_mac", { name: "mac", message_b64: "AAAA", mac_b64: "AAAA", version: 4294967295 }, "unknown_version"],
  ["keys.encapsulate", { name: "kem", version: 2 }, "unknown_version"],
  ["keys.decapsulate", { name: "kem", encapsulation_b64: "AAAA" }, "decryption_failed"],
  ["keys.decapsulate", { name: "kem", encapsulation_b64: Buffer.alloc(1087).toString("base64") }, "decryption_failed"],
  ["keys.derive_shared_secret", { name: "dh", public_key_b64: "AAAA" }, "invalid_public_key"],
  [
    "keys.derive_shared_secret",
    { name: "dh", public_key_b64: Buffer.alloc(4096).toString("base64") },
    "invalid_public_key",
  ],
  ["keys.rewrap", { name: "aes", ciphertext: "" }, "decryption_failed"],
  ["keys.rewrap", { name: "aes", ciphertext: "A".repeat(720_896) }, "decryption_failed"],
  ["keys.decrypt", { key_name: "rsa", data_b64: "AAAA" }, "decryption_failed"],
  ["keys.decrypt", { key_name: "rsa", data_b64: "AAAA", algorithm: "rsa-oaep-md5" }, "unsupported_algorithm"],
  ["keys.decrypt", { key_name: "rsa", data_b64: "AAAA", version: 2 }, "unknown_version"],
  ["keys.encrypt", { key_name: "rsa", plaintext_b64: Buffer.alloc(191).toString("base64") }, "plaintext_too_long"],
  ["keys.encrypt", { key_name: "rsa", plaintext: "x", algorithm: "rsa-pss-sha256" }, "unsupported_algorithm"],
  ["keys.encrypt", { key_name: "aes", plaintext: "x", algorithm: "xaes-256-gcm" }, "unsupported_algorithm"],
  ["keys.encrypt", { key_name: "aes", plaintext: "x", version: 3 }, "unknown_version"],
  ["keys.sign", { name: "ec", message_b64: "AAAA", encoding: "raw" }, "invalid_request"],
  ["keys.sign", { name: "ec", message_b64: "AAAA", context_b64: "AAAA" }, "invalid_request"],
  ["keys.sign", { name: "ec", digest_b64: "AAAA" }, "invalid_digest_length"],
  ["keys.enable_version", { name: "aes", version: 3 }, "unknown_version"],
  ["keys.disable_version", { name: "aes", version: 4294967295 }, "unknown_version"],
  ["keys.schedule_version_deletion", { name: "aes", version: 2 }, "wrong_key_state"],
  ["keys.update", { name: "aes", min_decryption_version: 3 }, "unknown_version"],
  ["keys.update", { name: "aes", min_encryption_version: 4294967295 }, "unknown_version"],
  ["aliases.set", { alias: "other", key_name: "never" }, "not_found"],
  ["aliases.get", { alias: "never" }, "not_found"],
  ["aliases.delete", { alias: "never" }, "not_found"],
];

test("REQ-39 what is well formed and wrong has its own clear error, the same over REST and gRPC, and changes nothing", async () => {
  await changingNothing(async () => {
    for (const [action, request, code] of WRONG_VALUES) {
      const answers = [];
      for (const transport of server.transports) {
        const {
          requestId: _,
          status: __,
          ...answer
        } = await transport.call(operationOf(action), request, {
          token: server.rootToken,
        });
        answers.push(answer);
      }
      const what = `${action} ${JSON.stringify(request).slice(0, 100)}`;
      assert.equal(answers[0]?.code, code, `${what}: ${answers[0]?.text}`);
      assert.deepEqual(answers[0], answers[1], what);
      assert.ok((answers[0]?.text.length ?? 0) > 10, what);
    }
  });
});

test("a version in a path is a number of 1 or more that fits, or it is refused", async () => {
  await changingNothing(async () => {
    for (const version of [
      ...["0", "-1", "1.5", "4294967296", "99999999999999999999", "x", "0x1", "1e1", " 1", "%20", "+1"],
      ...["01", "1%00", "NaN", "null", "true", "%31%30%30%30%30%30%30%30%30%30%30"],
    ]) {
      for (const verb of ["enable", "disable", "schedule-deletion", "cancel-deletion"]) {
        const answer = await send("POST", `/v1/keys/aes/versions/${version}/${verb}`, "{}");
        assert.equal(answer.code, "invalid_request", `${version}/${verb}: ${answer.code} ${answer.error}`);
        assert.match(answer.error, /version/, version);
      }
    }
    const body = await send("POST", "/v1/keys/aes/versions/1/disable", '{"version":2}');
    assert.equal(body.code, "invalid_request", "a version in the body beside that of the path");
    const name = await send("POST", "/v1/keys/aes/disable", '{"name":"ec"}');
    assert.equal(name.code, "invalid_request", "a name in the body beside that of the path");
  });
});

test("exactly 512 KiB is taken, and one byte more is not", async () => {
  const most = Buffer.alloc(524_288).toString("base64");
  const over = Buffer.alloc(524_289).toString("base64");
  for (const [action, name, member] of [
    ["keys.generate_mac", "mac", "message_b64"],
    ["keys.sign", "ec", "message_b64"],
    ["keys.encrypt", "aes", "plaintext_b64"],
  ] as const) {
    const field = action === "keys.encrypt" ? "key_name" : "name";
    for (const transport of server.transports) {
      const answers = [];
      for (const value of [most, over]) {
        const request = { [field]: name, [member]: value };
        answers.push(await transport.call(operationOf(action), request, { token: server.rootToken }));
      }
      assert.deepEqual(
        answers.map(({ code }) => code),
        ["ok", "invalid_request"],
        `${action} over ${transport.name}`,
      );
    }
  }
});

test("wrong filters of a search are refused, and those that fit nothing find nothing", async () => {
  for (const query of [
    ...["page_size=1001", "page_size=-1", "page_size=x", "page_token=x", `prefix=${"a".repeat(257)}`],
    ...[`type=${"a".repeat(65)}`, `state=${"a".repeat(33)}`, `tag=${"a".repeat(513)}`, "sort=name", "type=a&type=b"],
  ]) {
    const answer = await send("GET", `/v1/keys?${query}`);
    assert.deepEqual([answer.status, answer.code], [400, "invalid_request"], `${query}: ${answer.error}`);
  }
  for (const query of [
    "type=none",
    "state=none",
    "tag=none",
    "tag==",
    "tag=%3Dvalue",
    "prefix=%00",
    "type=__proto__",
  ]) {
    const answer = await send("GET", `/v1/keys?${query}`);
    assert.equal(answer.status, 200, query);
  }
  for (const query of ["key_name=never", "prefix=never"]) {
    assert.equal((await send("GET", `/v1/aliases?${query}`)).status, 200, query);
  }
});
