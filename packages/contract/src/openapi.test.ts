import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ERRORS, type ErrorCode } from "./errors.ts";
import { Effect, Role } from "./gen/bunkms/v1/options_pb.js";
import { buildOpenApi } from "./openapi.ts";
import { readOperations } from "./operations.ts";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}
interface Document {
  readonly openapi: string;
  readonly security: readonly unknown[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { readonly required?: readonly string[] }>>;
    readonly responses: Readonly<Record<string, { readonly description: string }>>;
  };
}

const text = readFileSync(join(import.meta.dirname, "gen", "openapi.json"), "utf8");
const document = JSON.parse(text) as Document;
const specs = readOperations();

function find(action: string): Operation {
  const spec = specs.find((candidate) => candidate.action === action);
  assert.ok(spec);
  const path = spec.route.template.replace("=**", "");
  const operation = document.paths[path]?.[spec.route.method.toLowerCase()];
  assert.ok(operation, `${action} is not described`);
  return operation;
}

test("the committed description is what the contract gives, but for the comments", () => {
  const bare = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (key, member) =>
        ["description", "summary", "version"].includes(key) && typeof member === "string" ? undefined : member,
      ),
    );
  assert.deepEqual(bare(document), bare(buildOpenApi(specs, () => "", "0")));
});

test("the description lists the operations of the contract and the three probes, nothing else", () => {
  const described = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const wanted = specs.flatMap(({ route }) =>
    [route.method, route.otherMethod].flatMap((method) =>
      method === undefined ? [] : [`${method} ${route.template.replace("=**", "")}`],
    ),
  );
  assert.deepEqual(described.toSorted(), [...wanted, "GET /health", "GET /ready", "GET /v1/sys/health"].toSorted());
});

test("every operation has a summary and a success status of its own", () => {
  for (const spec of specs) {
    const operation = find(spec.action);
    assert.notEqual(operation.summary, "", spec.action);
    const successes = Object.keys(operation.responses).filter((status) => status.startsWith("2"));
    assert.deepEqual(successes, [String(spec.route.status)]);
  }
});

test("every operation needs a bearer token, but for the anonymous ones and the probes", () => {
  assert.deepEqual(document.security, [{ bearer: [] }]);
  const open = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, { security }]) =>
      security === undefined ? [] : [[`${method.toUpperCase()} ${path}`, security]],
    ),
  );
  const anonymous = [
    "GET /v1/sys/seal-status",
    "GET /v1/sys/init",
    "POST /v1/sys/init",
    "PUT /v1/sys/init",
    "GET /v1/sys/leader",
    "POST /v1/sys/unseal",
    "PUT /v1/sys/unseal",
    "POST /v1/sys/root-token",
  ];
  const wanted = [...anonymous, "GET /health", "GET /ready", "GET /v1/sys/health"].map((route) => [route, []]);
  assert.deepEqual(open.toSorted(), wanted.toSorted());
});

test("an operation documents exactly the error statuses that it may answer with", () => {
  const statuses = (action: string): readonly string[] => Object.keys(find(action).responses);
  assert.deepEqual(statuses("keys.create"), [
    "201",
    "400",
    "401",
    "403",
    "409",
    "413",
    "415",
    "422",
    "429",
    "500",
    "503",
  ]);
  assert.deepEqual(statuses("keys.get"), ["200", "400", "401", "403", "404", "413", "429", "500", "503"]);
  assert.deepEqual(statuses("tokens.get_self"), ["200", "400", "401", "413", "429", "500", "503"]);
  assert.deepEqual(statuses("secrets.delete"), [
    "200",
    "400",
    "401",
    "403",
    "404",
    "409",
    "413",
    "422",
    "429",
    "500",
    "503",
  ]);
  for (const spec of specs) {
    assert.equal(statuses(spec.action).includes("403"), spec.leastRole !== Role.ANY, spec.action);
  }
});

test("what changes something can be named by an idempotency key, and nothing else", () => {
  for (const spec of specs) {
    const canBe = spec.effect === Effect.MUTATE && !spec.anonymous;
    const isSaid = JSON.stringify(find(spec.action)).includes("#/components/parameters/IdempotencyKey");
    assert.equal(isSaid, canBe, spec.action);
  }
});

test("every error code is described under its status", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    assert.ok(document.components.responses[`Error${ERRORS[code].http}`]?.description.includes(`\`${code}\``), code);
  }
});

test("metrics and the description itself have content types of their own", () => {
  assert.deepEqual(Object.keys(find("system.metrics").responses["200"]?.content ?? {}), [
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  assert.deepEqual(Object.keys(find("system.openapi").responses["200"]?.content ?? {}), ["application/json"]);
});

test("a field of the path is a parameter and not in the body", () => {
  assert.deepEqual(
    find("keys.encrypt").parameters?.map(({ name, in: place, required }) => [name, place, required]),
    [["key_name", "path", true]],
  );
  assert.ok(!JSON.stringify(document.components.schemas["EncryptRequest"]).includes("key_name"));
});

test("every reference leads to something", () => {
  for (const [, reference] of text.matchAll(/"\$ref": "#\/([^"]+)"/g)) {
    let target: unknown = document;
    for (const key of (reference ?? "").split("/")) {
      target = (target as Readonly<Record<string, unknown>> | undefined)?.[key];
    }
    assert.ok(target, `${reference} is nowhere`);
  }
});

test("in an answer all fields are required but optional ones and messages", () => {
  assert.deepEqual(document.components.schemas["DecryptResponse"]?.required, ["plaintext_b64", "version"]);
  assert.deepEqual(document.components.schemas["Token"]?.required, ["id", "display_name", "role"]);
  assert.deepEqual(document.components.schemas["ListKeysResponse"]?.required, ["keys", "next_page_token"]);
});

test("a body is required where a request without fields is refused", () => {
  const isRequired = (action: string): boolean | undefined => find(action).requestBody?.required;
  assert.equal(isRequired("keys.create"), true);
  assert.equal(isRequired("keys.encrypt"), true);
  assert.equal(isRequired("keys.rotate"), false);
  assert.equal(isRequired("keys.generate_data_key"), false);
  assert.equal(isRequired("keys.get"), undefined);
});
