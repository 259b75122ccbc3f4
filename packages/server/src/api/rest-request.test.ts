import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BunkmsError,
  type EncryptRequest,
  type ListKeysRequest,
  type OperationSpec,
  readOperations,
} from "@bunkms/contract";
import { requestFromHttp } from "./rest-request.ts";

const SPECS = new Map(readOperations().map((spec) => [spec.action, spec]));
const NONE = new Map<string, string>();
const KEY = new Map([["key_name", "k"]]);

const spec = (action: string): OperationSpec => SPECS.get(action) as OperationSpec;
const encrypt = (body: unknown) => requestFromHttp(spec("keys.encrypt"), KEY, "", body) as EncryptRequest;
const list = (query: string) => requestFromHttp(spec("keys.list"), NONE, query, {}) as ListKeysRequest;

function refused(make: () => unknown, field: RegExp): void {
  assert.throws(
    make,
    (error) => error instanceof BunkmsError && error.code === "invalid_request" && field.test(error.message),
  );
}

test("path, body and oneof members become one message", () => {
  const request = encrypt({ plaintext: "x", aad_b64: "AAE=", context: {} });
  assert.equal(request.keyName, "k");
  assert.deepEqual(request.data, { case: "plaintext", value: "x" });
  assert.deepEqual(request.binding, { case: "aadB64", value: new Uint8Array([0, 1]) });
});

test("REQ-17: base64 counts in its one standard form only", () => {
  assert.deepEqual(encrypt({ plaintext_b64: "+/8=" }).data.value, new Uint8Array([0xfb, 0xff]));
  for (const text of ["-_8=", "+/8", "+/8==", "+/9=", " +/8=", "+/8=\n", "+/ 8=", "=", "a", "+/8=AAAA"]) {
    refused(() => encrypt({ plaintext_b64: text }), /^plaintext_b64/);
  }
});

test("names other than the contract's own are refused, the camel-case alias too", () => {
  for (const name of ["plaintextB64", "keyName", "Plaintext", "__proto__", "constructor", "$typeName", "data"]) {
    refused(() => encrypt(JSON.parse(`{"plaintext":"x","${name}":"eA=="}`)), /does not know/);
  }
});

test("a field of the path cannot come in the body as well", () => {
  refused(() => encrypt({ plaintext: "x", key_name: "other" }), /^key_name: is in the path/);
});

test("wrong types are refused, also those that the JSON mapping of Protobuf would convert", () => {
  for (const value of [1, true, null, [], {}, "\ud800"]) {
    refused(() => encrypt({ plaintext: value }), /^plaintext/);
  }
  for (const value of ["32", 32.5, -1, 2 ** 32, null, true, "0x20"]) {
    refused(
      () => requestFromHttp(spec("keys.generate_data_key"), new Map([["name", "k"]]), "", { bytes: value }),
      /^bytes/,
    );
  }
  for (const context of [[], "x", null, { a: 1 }, { a: null }, { a: {} }, { "\ud800": "a" }]) {
    refused(() => encrypt({ plaintext: "x", context }), /^context/);
  }
});

test("two members of one oneof are refused", () => {
  refused(() => encrypt({ plaintext: "x", plaintext_b64: "eA==" }), /only one of plaintext, plaintext_b64/);
});

test("a body that is no object is refused", () => {
  for (const body of [null, [], "x", 1, true]) {
    refused(() => encrypt(body), /must be a JSON object/);
  }
});

test("REQ-38: names of the prototype are ordinary as keys of an encryption context", () => {
  const { context } = encrypt(JSON.parse('{"plaintext":"x","context":{"__proto__":"a","constructor":"b"}}'));
  assert.deepEqual(Object.entries(context), [
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
});

test("query parameters: each at most once, known, properly encoded, whole numbers", () => {
  const request = list("prefix=a%2Db&page_size=7");
  assert.equal(request.prefix, "a-b");
  assert.equal(request.pageSize, 7);
  refused(() => list("prefix=a&prefix=b"), /unknown or repeated/);
  refused(() => list("pageSize=1"), /unknown or repeated/);
  refused(() => list("prefix=%zz"), /percent-encoded/);
  refused(() => list("prefix=%c0%af"), /percent-encoded/);
  for (const size of ["", "01", "1.0", "-1", "1e3", "0x1", " 1", "99999999999"]) {
    refused(() => list(`page_size=${encodeURIComponent(size)}`), /page_size|whole number/);
  }
});

test("times are RFC 3339, and their errors do not repeat them", () => {
  const audit = (query: string) => requestFromHttp(spec("audit.list"), NONE, query, {});
  audit("since=2026-01-01T00:00:00Z");
  assert.throws(() => audit("since=canary"), {
    code: "invalid_request",
    message: "since: is not a time as RFC 3339 has it",
  });
});

test("an operation with a body takes no query, so that nothing is said twice", () => {
  refused(() => requestFromHttp(spec("keys.encrypt"), KEY, "plaintext=x", {}), /no query/);
});
