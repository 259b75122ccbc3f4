import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError, ERRORS, type ErrorCode, isErrorCode } from "./errors.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

test("the table of errors is closed: frozen and without a prototype", () => {
  assert.equal(Object.getPrototypeOf(ERRORS), null);
  assert.ok(Object.isFrozen(ERRORS));
  assert.ok(codes.every((code) => Object.isFrozen(ERRORS[code])));
});

test("REQ-38: a name that every object has is no error code", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", ""]) {
    assert.equal(isErrorCode(name), false, name);
  }
  assert.ok(codes.every(isErrorCode));
});

test("every row has a status of the REST interface, a status of gRPC and a text", () => {
  const statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503, 507];
  for (const code of codes) {
    const { http, grpc, text } = ERRORS[code];
    assert.ok(statuses.includes(http), code);
    assert.ok(Number.isInteger(grpc) && grpc >= 1 && grpc <= 16, code);
    assert.match(text, /^[a-z].*[^.]$/, code);
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
  }
});

test("every status of the REST interface has a code", () => {
  const present = new Set(codes.map((code) => ERRORS[code].http));
  assert.deepEqual([...present].toSorted(), [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503, 507]);
});

test("what may succeed later unchanged is marked so: 429, 503 and a lost race, nothing else", () => {
  for (const code of codes) {
    const { http, retryable } = ERRORS[code];
    assert.equal(retryable, http === 429 || http === 503 || code === "conflict", code);
  }
});

test("REQ-14: whatever is wrong with a ciphertext is one code", () => {
  assert.deepEqual(
    codes.filter((code) => /crypt|tag|cipher|padding/.test(code)),
    ["decryption_failed"],
  );
});

test("REQ-39: an error carries its code and safe text, and keeps its cause for the log", () => {
  const cause = new Error("SQLITE_FULL at /data/bunkms.db");
  const error = new BunkmsError("storage_unavailable", undefined, { cause });
  assert.equal(error.code, "storage_unavailable");
  assert.equal(error.message, ERRORS.storage_unavailable.text);
  assert.equal(error.cause, cause);
  assert.equal(new BunkmsError("not_found", "there is no such key").message, "there is no such key");
});
