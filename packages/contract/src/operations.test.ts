import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clearExtension,
  clone,
  createFileRegistry,
  type DescMethod,
  getExtension,
  getOption,
  setExtension,
} from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  type FieldOptions,
  FileDescriptorProtoSchema,
  type MethodDescriptorProto,
  type MethodOptions,
} from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "./gen/buf/validate/validate_pb.js";
import { HashAuditValueRequestSchema } from "./gen/bunkms/v1/audit_pb.js";
import { file_bunkms_v1_keys } from "./gen/bunkms/v1/keys_pb.js";
import { AuditClass, audit, Effect, type Operation, operation, Role } from "./gen/bunkms/v1/options_pb.js";
import { http } from "./gen/google/api/annotations_pb.js";
import type { HttpRule } from "./gen/google/api/http_pb.js";
import { CONTRACT_FILES, type OperationSpec, readOperations, readStreams } from "./operations.ts";

/** What a change to the compiled contract may reach. */
interface Parts {
  method(name: string): MethodDescriptorProto & { options: MethodOptions };
  field(message: string, name: string): FieldDescriptorProto & { options: FieldOptions };
}

/** Reads the key service out of a changed copy of its descriptor, as if the proto had been written so. */
function readChanged(change: (parts: Parts) => void): readonly OperationSpec[] {
  const file = clone(FileDescriptorProtoSchema, file_bunkms_v1_keys.proto);
  const byName = <T extends { name: string; options?: unknown }>(items: readonly T[], name: string) => {
    const item = items.find((candidate) => candidate.name === name);
    assert.ok(item?.options);
    return item as T & { options: NonNullable<T["options"]> };
  };
  change({
    method: (name) => byName(file.service[0]?.method ?? [], name),
    field: (message, name) =>
      byName(file.messageType.find((candidate) => candidate.name === message)?.field ?? [], name),
  });
  const dependencies = new Map(file_bunkms_v1_keys.dependencies.map((file) => [file.proto.name, file]));
  const registry = createFileRegistry(file, (name) => dependencies.get(name));
  const methods = registry.getService("bunkms.v1.KeyService")?.methods;
  assert.ok(methods);
  return readOperations(methods);
}

function refuses(change: (parts: Parts) => void, reason: RegExp): void {
  assert.throws(() => readChanged(change), { message: reason });
}

function changeOperation(parts: Parts, method: string, change: Partial<Operation>): void {
  const { options } = parts.method(method);
  setExtension(options, operation, { ...getExtension(options, operation), ...change });
}

function changeRule(parts: Parts, method: string, change: Partial<HttpRule>): void {
  const { options } = parts.method(method);
  setExtension(options, http, { ...getExtension(options, http), ...change });
}

test("the contract is read without complaint, and each of its methods is an operation or the stream of one", () => {
  const methods: readonly DescMethod[] = CONTRACT_FILES.flatMap((file) =>
    file.services.flatMap((service) => service.methods),
  );
  const operations = readOperations();
  const streams = readStreams(operations);
  assert.deepEqual(
    [...operations, ...streams].map(({ method }) => method.name).sort(),
    methods.map(({ name }) => name).sort(),
  );
  for (const { method, operation: spec } of streams) {
    assert.equal(method.name.replace(/Stream$/, "Batch"), spec.method.name);
  }
});

test("a stream whose messages are no operation's is refused", () => {
  const others = readOperations().filter(({ action }) => action !== "keys.encrypt_batch");
  assert.throws(() => readStreams(others), /KeyStreamService\/EncryptStream/);
});

test("an unchanged copy of a descriptor is read the same", () => {
  const names = (specs: readonly OperationSpec[]): readonly string[] => specs.map(({ action }) => action);
  assert.deepEqual(
    names(readChanged(() => {})),
    names(readOperations().filter(({ method }) => method.parent.name === "KeyService")),
  );
});

test("an operation has its route, its limits and the fields that the audit log records", () => {
  const spec = readOperations().find(({ action }) => action === "keys.encrypt");
  assert.ok(spec);
  assert.equal(spec.resource, "key/{key_name}");
  assert.equal(spec.effect, Effect.USE);
  assert.equal(spec.leastRole, Role.OPERATOR);
  assert.equal(spec.maxRequestBytes, 1_048_576);
  assert.equal(spec.route.status, 200);
  assert.deepEqual(
    spec.route.segments.map((segment) => (segment.kind === "text" ? segment.text : segment.field.name)),
    ["v1", "encrypt", "key_name"],
  );
  assert.deepEqual(
    spec.auditRequest.map(({ field, hashed }) => [field.name, hashed]),
    [
      ["key_name", false],
      ["aad", true],
      ["aad_b64", true],
      ["version", false],
      ["algorithm", false],
    ],
  );
});

test("a request of an operation without a limit of its own is limited to 64 KiB", () => {
  assert.equal(readOperations().find(({ action }) => action === "keys.create")?.maxRequestBytes, 65_536);
});

test("a request may have as many members as its rules allow, and a thousand where that is more", () => {
  const most = new Map(readOperations().map(({ action, maxMembers }) => [action, maxMembers]));
  // Each of a thousand items has one field of each of two oneofs, and a context with 64 pairs; beside them are four fields.
  assert.equal(most.get("keys.encrypt_batch"), 4 + 1000 * (1 + 1 + 1 + 1 + 64));
  assert.equal(most.get("keys.encrypt"), 1000);
  assert.equal(most.get("system.random"), 1000);
});

test("REQ-37: a request with a list or a map without a rule for how much is in it does not start", () => {
  refuses(
    ({ field }) => clearExtension(field("EncryptRequest", "context").options, fieldRules),
    /^bunkms.v1.EncryptRequest.context: has no rule for how much is in it at most$/,
  );
});

test("the rest of a path is one variable", () => {
  const spec = readOperations().find(({ action }) => action === "secrets.get");
  assert.equal(spec?.route.segments.at(-1)?.kind, "rest");
});

test("REQ-20: a method without the operation option does not start", () => {
  refuses(
    ({ method }) => clearExtension(method("Encrypt").options, operation),
    /^bunkms.v1.KeyService\/Encrypt: has no \(bunkms.v1.operation\) option$/,
  );
});

test("REQ-20: a method without a policy action, an effect or a least role does not start", () => {
  refuses(
    (parts) => changeOperation(parts, "Encrypt", { action: "" }),
    /KeyService\/Encrypt: its policy action must be/,
  );
  refuses((parts) => changeOperation(parts, "Encrypt", { action: "keys" }), /its policy action must be <noun>.<verb>/);
  refuses(
    (parts) => changeOperation(parts, "Encrypt", { effect: Effect.UNSPECIFIED }),
    /has no effect or no least role/,
  );
  refuses(
    (parts) => changeOperation(parts, "Encrypt", { leastRole: Role.UNSPECIFIED }),
    /has no effect or no least role/,
  );
});

test("two methods with one policy action or one route do not start", () => {
  refuses(
    (parts) => changeOperation(parts, "Encrypt", { action: "keys.decrypt" }),
    /have the same action: keys.decrypt/,
  );
  refuses(
    (parts) => changeRule(parts, "Sign", { pattern: { case: "post", value: "/v1/keys/{name}/verify" } }),
    /Sign and Verify have the same route: POST \/v1\/keys\/\{name\}\/verify/,
  );
});

test("a resource or a path that names no field of the request does not start", () => {
  refuses(
    (parts) => changeOperation(parts, "Encrypt", { resource: "key/{name}" }),
    /its resource names the field name/,
  );
  refuses(
    (parts) => changeRule(parts, "GetKey", { pattern: { case: "get", value: "/v1/keys/{key_name}" } }),
    /GetKey: its path names the field key_name, which the request lacks/,
  );
});

test("a method without an HTTP route, or with one of another form, does not start", () => {
  refuses(({ method }) => clearExtension(method("Encrypt").options, http), /Encrypt: has no google.api.http option/);
  refuses((parts) => changeRule(parts, "Encrypt", { body: "plaintext" }), /is of a form that is not supported/);
  refuses(
    (parts) => changeRule(parts, "GetKey", { pattern: { case: "get", value: "/v1/{name=**}/keys" } }),
    /\*\* must be the last segment of the path/,
  );
});

test("a streaming method does not start", () => {
  refuses(({ method }) => {
    method("Encrypt").serverStreaming = true;
  }, /Encrypt: only unary methods are operations/);
});

test("REQ-31: a field without an audit class does not start, in a request or in an answer", () => {
  refuses(
    ({ field }) => clearExtension(field("EncryptRequest", "plaintext").options, audit),
    /^bunkms.v1.EncryptRequest.plaintext: has no audit class$/,
  );
  refuses(
    ({ field }) => clearExtension(field("EncryptResponse", "data_b64").options, audit),
    /^bunkms.v1.EncryptResponse.data_b64: has no audit class$/,
  );
  refuses(
    ({ field }) => setExtension(field("EncryptRequest", "aad").options, audit, AuditClass.UNSPECIFIED),
    /^bunkms.v1.EncryptRequest.aad: has no audit class$/,
  );
});

test("REQ-31, CVE-2025-62705: bytes are never recorded in clear, and messages and maps not at all", () => {
  refuses(
    ({ field }) => setExtension(field("EncryptRequest", "plaintext_b64").options, audit, AuditClass.CLEAR),
    /plaintext_b64: only scalars are recorded, and bytes never in clear/,
  );
  refuses(
    ({ field }) => setExtension(field("EncryptRequest", "context").options, audit, AuditClass.HMAC),
    /context: only scalars are recorded/,
  );
});

test("REQ-31: whatever the contract marks as secret is not in the audit log", () => {
  for (const spec of readOperations()) {
    for (const { field } of [...spec.auditRequest, ...spec.auditResponse]) {
      assert.notEqual(field.proto.options?.debugRedact, true, `${spec.action}: ${field.name}`);
    }
  }
});

test("what can be hashed for a search is just what the audit log has hashed", () => {
  const fields = readOperations().flatMap(({ auditRequest, auditResponse }) => [...auditRequest, ...auditResponse]);
  const hashed = new Set(fields.filter(({ hashed }) => hashed).map(({ field }) => field.name));
  const { type } = getOption(HashAuditValueRequestSchema.field.field, fieldRules);
  assert.deepEqual(type.case === "string" ? type.value.in : [], [...hashed].sort());
});
