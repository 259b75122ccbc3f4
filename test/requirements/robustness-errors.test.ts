import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { ERRORS, type ErrorCode } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import {
  type Answer,
  bothTransports,
  closeAll,
  grpcTransport,
  operationOf,
  restTransport,
  type Transport,
} from "./operation-call.ts";

let server: TestServer;
let transports: readonly Transport[];
let reader = "";

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
  for (const request of [
    { name: "aes" },
    { name: "other" },
    { name: "p256", type: "ecdsa-p256" },
    { name: "rsa", type: "rsa-2048", purpose: "encrypt" },
    { name: "x25519", type: "x25519" },
    { name: "imported", imported: true },
  ]) {
    assert.equal((await call(rest(), "keys.create", request)).code, "ok");
  }
  assert.equal((await call(rest(), "keys.prepare_import", { name: "imported" })).code, "ok");
  reader = String((await call(rest(), "tokens.create", { display_name: "r", role: "reader" })).value["token"]);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

const rest = (): Transport => transports[0] as Transport;

function call(transport: Transport, action: string, request: JsonObject, token = server.rootToken): Promise<Answer> {
  return transport.call(operationOf(action), request, { token });
}

type Provocation = (transport: Transport) => Promise<Answer>;

/** What provokes each code over both transports. */
const PROVOCATIONS: Partial<Record<ErrorCode, Provocation>> = {
  invalid_request: (over) => call(over, "keys.create", { name: "not a name" }),
  unsupported_key_type: (over) => call(over, "keys.create", { name: "never", type: "des-56" }),
  unsupported_algorithm: (over) =>
    call(over, "keys.sign", { name: "p256", message_b64: "", algorithm: "rsa-pss-sha256" }),
  wrong_key_usage: (over) => call(over, "keys.encrypt", { key_name: "p256", plaintext: "x" }),
  invalid_digest_length: (over) => call(over, "keys.sign", { name: "p256", digest_b64: "AAAA" }),
  invalid_key_material: (over) =>
    call(over, "keys.import", {
      ...{ name: "imported", wrapped_material_b64: Buffer.alloc(384).toString("base64") },
      ...{ algorithm: "rsa-oaep-sha256", format: "raw" },
    }),
  invalid_public_key: (over) => call(over, "keys.derive_shared_secret", { name: "x25519", public_key_b64: "AAAA" }),
  plaintext_too_long: (over) =>
    call(over, "keys.encrypt", { key_name: "rsa", plaintext_b64: Buffer.alloc(191).toString("base64") }),
  insecure_transport: (over) =>
    call(over, "keys.import_plain", { name: "imported", material_b64: "AAAA", format: "raw" }),
  wrong_key_state: (over) => call(over, "keys.enable", { name: "aes" }),
  unknown_version: (over) =>
    call(over, "keys.verify", { name: "p256", message_b64: "", signature_b64: "AAAA", version: 7 }),
  decryption_failed: (over) => call(over, "keys.decrypt", { key_name: "aes", ciphertext: "bkms" }),
  unauthenticated: (over) => call(over, "keys.list", {}, "none"),
  permission_denied: (over) => call(over, "keys.create", { name: "never" }, reader),
  not_found: (over) => call(over, "keys.get", { name: "never" }),
  already_exists: (over) => call(over, "keys.create", { name: "aes" }),
  version_mismatch: (over) => call(over, "secrets.put", { name: "never/stored", value: "x", if_version: 1 }),
  already_initialised: (over) => call(over, "seals.initialise", {}),
  invalid_share: (over) => call(over, "seals.generate_root_token", { key: "none" }),
  seal_not_configured: (over) => call(over, "seals.add_slot", { kind: "none" }),
  archive_not_configured: (over) => call(over, "audit.archive", {}),
  wrong_audit_range: (over) => call(over, "audit.set_hold", { name: "turned", from: "2", until: "1" }),
  last_slot: async (over) => {
    const [slot] = (await call(over, "seals.list_slots", {})).value["slots"] as { id: string }[];
    return call(over, "seals.remove_slot", { id: slot?.id as string });
  },
  idempotency_mismatch: async (over) => {
    const caller = { token: server.rootToken, idempotencyKey: `${over.name}-mismatch` };
    const put = (value: string) => over.call(operationOf("secrets.put"), { name: "idempotent", value }, caller);
    assert.equal((await put("first")).code, "ok");
    return put("second");
  },
  already_done: async (over) => {
    const caller = { token: server.rootToken, idempotencyKey: `${over.name}-done` };
    const make = () => over.call(operationOf("tokens.create"), { display_name: "once", role: "reader" }, caller);
    assert.equal((await make()).code, "ok");
    return make();
  },
};

/** Codes that only one transport has, or that need more than one call: each has its own test below. */
const OWN_TESTS: readonly ErrorCode[] = [
  "unknown_operation",
  "method_not_allowed",
  "payload_too_large",
  "unsupported_media_type",
  "too_many_requests",
  "cancelled",
  "deadline_exceeded",
];

/** Codes that need a broken store, a stop or a defect, and where they are provoked. */
const ELSEWHERE: Partial<Record<ErrorCode, string>> = {
  conflict: "packages/server/src/pipeline: only when three attempts in a row meet somebody else's change",
  internal: "never: only a defect leads to it",
  storage_unavailable: "test/faults/disk.test.ts",
  audit_unavailable: "test/faults/disk.test.ts",
  shutting_down: "test/requirements/shutdown.test.ts",
  not_initialised: "test/requirements/seals-uninitialised.test.ts",
  sealed: "test/requirements/seals-sealed.test.ts",
  seal_unavailable: "test/requirements/seals-slots.test.ts",
  slot_damaged: "test/requirements/seals-slots.test.ts",
  rotation_in_progress: "test/requirements/seals-slots.test.ts",
  vault_damaged: "test/requirements/rollback.test.ts",
  audit_hold: "packages/server/src/boot/retention.test.ts",
  audit_full: "test/requirements/audit-room.test.ts",
};

test("REQ-39 every code of the error table is provoked here, or it is said where", () => {
  const known = [...Object.keys(PROVOCATIONS), ...OWN_TESTS, ...Object.keys(ELSEWHERE)];
  assert.deepEqual(known.sort(), Object.keys(ERRORS).sort());
});

for (const [code, provoke] of Object.entries(PROVOCATIONS)) {
  test(`REQ-39 ${code} has the status of the error table over REST and gRPC, and the same text`, async () => {
    const row = ERRORS[code as ErrorCode];
    const answers = await Promise.all(transports.map(provoke));
    for (const [at, { status, text, requestId, ...answer }] of answers.entries()) {
      assert.deepEqual([answer.code, status], [code, at === 0 ? row.http : row.grpc], text);
      assert.equal(text, answers[0]?.text);
      assert.match(requestId, /^[A-Za-z0-9._-]{1,64}$/);
      assert.doesNotMatch(text, /\/|node:|\.ts|sql|Error:|undefined|protobuf/i);
    }
  });
}

async function request(path: string, init: RequestInit & { readonly token?: string } = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${init.token ?? server.rootToken}`, ...init.headers };
  return fetch(`${server.url}${path}`, { ...init, headers });
}

async function assertError(response: Response, code: ErrorCode): Promise<void> {
  const body = (await response.json()) as Record<string, unknown>;
  assert.deepEqual([response.status, body["code"]], [ERRORS[code].http, code], JSON.stringify(body));
  assert.deepEqual(Object.keys(body).sort(), ["code", "error", "request_id"]);
  assert.equal(body["request_id"], response.headers.get("x-request-id"));
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("www-authenticate"), code === "unauthenticated" ? "Bearer" : null);
  assert.equal(response.headers.has("retry-after"), ERRORS[code].retryable);
}

test("REQ-39 REST: a path that is no operation is unknown_operation, a method that the path lacks method_not_allowed", async () => {
  for (const path of [
    "/",
    "/v1",
    "/v1/keys/a/b",
    "/v1/keys/",
    "/v2/keys",
    "/%00",
    "/v1/keys/%zz",
    "/..",
    "/v1//keys",
  ]) {
    await assertError(await request(path), "unknown_operation");
    await assertError(await request(path, { token: "none" }), "unauthenticated");
  }
  for (const [method, path, allow] of [
    ["PUT", "/v1/keys", "GET, POST"],
    ["DELETE", "/v1/keys/aes", "GET, PATCH"],
    ["GET", "/v1/encrypt/aes", "POST"],
    ["PATCH", "/v1/secrets/a/b", "DELETE, GET"],
    ["POST", "/health", "GET, HEAD"],
  ] as const) {
    const response = await request(path, { method });
    assert.equal(response.headers.get("allow")?.split(", ").sort().join(", "), allow);
    await assertError(response, "method_not_allowed");
  }
});

test("REQ-39 gRPC: a method that is none is unknown_operation", async () => {
  for (const path of [
    "/bunkms.v1.KeyService/Nothing",
    "/bunkms.v1.NoService/CreateKey",
    "/bunkms.v1.KeyService/createKey",
  ]) {
    assert.equal((await callMethod(path, Buffer.alloc(0)))?.code, ERRORS.unknown_operation.grpc);
  }
});

/** Calls a method by its path, with a message in bytes. @returns the error, if it ended in one. */
function callMethod(
  path: string,
  message: Buffer,
  options: grpc.CallOptions = {},
  requestId = "",
): Promise<grpc.ServiceError | null> {
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${server.rootToken}`);
  metadata.set("x-request-id", requestId);
  const asItIs = (bytes: Buffer): Buffer => bytes;
  return new Promise<grpc.ServiceError | null>((resolve) => {
    client.makeUnaryRequest(path, asItIs, asItIs, message, metadata, options, resolve);
  }).finally(() => client.close());
}

test("REQ-39 payload_too_large has the status of the error table over REST and gRPC", async () => {
  // For an operation whose limit is 64 KiB, so that little is sent.
  const body = `{"name":"${"a".repeat(70_000)}"}`;
  const headers = { "content-type": "application/json" };
  await assertError(await request("/v1/keys", { method: "POST", body, headers }), "payload_too_large");
  const large = await call(transports[1] as Transport, "keys.create", { name: "a".repeat(70_000) });
  assert.deepEqual([large.code, large.status], ["payload_too_large", ERRORS.payload_too_large.grpc]);
  const larger = await call(transports[1] as Transport, "keys.create", { name: "a".repeat(2_000_000) });
  assert.deepEqual([larger.code, larger.status], ["payload_too_large", ERRORS.payload_too_large.grpc]);
});

const WRONG_TYPES = [
  ...["text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "*/*"],
  ...[
    "application/jsonx",
    "application/json-patch+json",
    "application/json; charset=latin1",
    "application/grpc",
    "json",
  ],
  ...["application/json, text/plain", "application/json; boundary=a", "application/vnd.api+json"],
];

test("REQ-39 a body of another content type, or of none, is unsupported_media_type", async () => {
  const body = Buffer.from('{"name":"never"}');
  for (const type of WRONG_TYPES) {
    const response = await request("/v1/keys", { method: "POST", body, headers: { "content-type": type } });
    await assertError(response, "unsupported_media_type");
  }
  await assertError(await request("/v1/keys", { method: "POST", body }), "unsupported_media_type");
  for (const type of [
    "application/json",
    "APPLICATION/JSON",
    'application/json; charset="utf-8"',
    "application/json;charset=UTF-8",
  ]) {
    const response = await request("/v1/keys", { method: "POST", body: "{}", headers: { "content-type": type } });
    await assertError(response, "invalid_request");
  }
});

test("REQ-39 too_many_requests has the status of the error table over REST and gRPC, and passes", async () => {
  const narrow = await startServer({ args: ["--log-level", "warn", "--max-in-flight", "1"] });
  const ways = [restTransport(narrow.url), grpcTransport(narrow.grpcAddr)];
  try {
    for (const [at, way] of ways.entries()) {
      const other = ways[1 - at] as Transport;
      const refused = await refusedMeanwhile(way, other, narrow.rootToken);
      const row = ERRORS.too_many_requests;
      assert.deepEqual(
        [refused.code, refused.status],
        ["too_many_requests", other.name === "rest" ? row.http : row.grpc],
      );
      const later = await way.call(operationOf("keys.list"), {}, { token: narrow.rootToken });
      assert.equal(later.code, "ok");
    }
  } finally {
    for (const way of ways) {
      way.close();
    }
    await narrow.remove();
  }
});

/** Keeps a server that takes one call at a time busy, and returns how another call is refused meanwhile. */
async function refusedMeanwhile(busy: Transport, other: Transport, token: string): Promise<Answer> {
  for (let i = 0; ; i++) {
    let isBusy = true;
    const slow = busy.call(operationOf("keys.create"), { name: `slow-${busy.name}-${i}`, type: "rsa-4096" }, { token });
    const ended = slow.then(() => {
      isBusy = false;
    });
    // A start before the other: while that one waits for the disk the slow call would be refused itself.
    await sleep(i * 10);
    while (isBusy) {
      const answer = await other.call(operationOf("keys.list"), {}, { token });
      if (answer.code !== "ok") {
        assert.equal((await slow).code, "ok");
        return answer;
      }
      await sleep(2);
    }
    // The slow call came second and was refused itself, or was done before anybody else had called.
    await ended;
    assert.ok(i < 20, "no call was refused");
  }
}

test("REQ-39 REQ-32 a caller that goes away leaves nothing but an entry: cancelled over REST, deadline_exceeded over gRPC", async () => {
  const outcomes = new Set<string>();
  // At first longer than a call takes to arrive on a slow machine. A creation may be done before its caller is gone: then
  // the next caller has less.
  for (let i = 0, patience = 300; i < 40 && outcomes.size < 2; i++) {
    const names = [`gone-rest-${i}`, `gone-grpc-${i}`] as const;
    const body = JSON.stringify({ name: names[0], type: "rsa-4096" });
    const headers = { "content-type": "application/json", "x-request-id": names[0] };
    const signal = AbortSignal.timeout(patience);
    await request("/v1/keys", { method: "POST", body, headers, signal }).catch(() => {});
    const message = Buffer.concat([field(1, names[1]), field(2, "rsa-4096")]);
    await callMethod("/bunkms.v1.KeyService/CreateKey", message, { deadline: Date.now() + patience }, names[1]);
    for (const name of names) {
      const outcome = await outcomeOf(name);
      const found = await call(rest(), "keys.get", { name });
      assert.equal(found.code, outcome === "ok" ? "ok" : "not_found", `${name}: ${outcome}`);
      if (outcome === "ok") {
        patience = Math.max(40, patience * 0.8);
      } else {
        assert.equal(outcome, name.includes("rest") ? "cancelled" : "deadline_exceeded");
        outcomes.add(outcome);
      }
    }
  }
  assert.equal(outcomes.size, 2, [...outcomes].join());
});

/** A text field in Protobuf's wire format. */
function field(number: number, text: string): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2, text.length), Buffer.from(text)]);
}

/** The outcome in the audit log of the request with this id; waits for it for as long as a key takes. */
async function outcomeOf(requestId: string): Promise<string> {
  for (let i = 0; i < 600; i++) {
    const { entries } = await readTrail(rest(), server.rootToken);
    const entry = entries.find((candidate) => candidate.request_id === requestId);
    if (entry !== undefined) {
      return entry.outcome;
    }
    await sleep(50);
  }
  throw new Error(`${requestId} has no entry`);
}
