import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError, ERRORS, type ErrorCode } from "@bunkms/contract";
import { isCompactJws } from "../access/compact-jws.ts";
import { bodyFromGo, refusalForGo } from "./bunbase-dialect.ts";

const CODES = Object.keys(ERRORS).filter((code) => code !== "__proto__") as ErrorCode[];
const status = (action: string, code: ErrorCode): number => refusalForGo(action, new BunkmsError(code)).status;

test("who may not call, calls too often, or meets a failure of the server is told so with the contract's status", () => {
  const kept = CODES.filter((code) => [401, 403, 429].includes(ERRORS[code].http) || ERRORS[code].http >= 500);
  assert.ok(kept.length > 8);
  for (const code of kept) {
    for (const action of ["keys.create", "keys.get", "keys.verify", "secrets.get", "keys.list", ""]) {
      assert.equal(status(action, code), ERRORS[code].http, `${action} ${code}`);
    }
  }
});

test("every other refusal of a call that the Go server has is 400, or 404 for what is asked for and not there", () => {
  for (const code of CODES) {
    const { http } = ERRORS[code];
    if (http >= 500 || [401, 403, 405, 429].includes(http) || code === "unknown_operation") continue;
    for (const action of [
      "keys.create",
      "keys.rotate",
      "keys.revoke",
      "keys.encrypt",
      "keys.decrypt",
      "keys.sign",
      "secrets.put",
    ]) {
      assert.equal(status(action, code), 400, `${action} ${code}`);
    }
    for (const action of ["keys.get", "secrets.get"]) {
      assert.equal(status(action, code), code === "not_found" ? 404 : 400, `${action} ${code}`);
    }
    assert.equal(status("keys.list", code), http, code);
  }
  for (const code of ["unknown_operation", "method_not_allowed"] as const) {
    assert.equal(status("", code), 404);
  }
});

test("a signature by a key that is not there, is revoked or does not sign is not valid; a malformed one is malformed", () => {
  for (const code of ["not_found", "wrong_key_state", "wrong_key_usage"] as const) {
    const expected = { status: 200, body: { valid: false, version: 0 } };
    assert.deepEqual(refusalForGo("keys.verify", new BunkmsError(code)), expected);
  }
  assert.deepEqual(refusalForGo("keys.verify", new BunkmsError("invalid_digest_length")), { status: 400 });
});

test("of a text and its base64 the one that says something counts, the base64 first, as in the Go server", () => {
  for (const [action, given, expected] of [
    ["keys.encrypt", {}, { plaintext: "" }],
    ["keys.encrypt", { plaintext: "a", plaintext_b64: "" }, { plaintext: "a" }],
    ["keys.encrypt", { plaintext: "a", plaintext_b64: "Yg==" }, { plaintext_b64: "Yg==" }],
    ["keys.encrypt", { plaintext: "a", aad: "", aad_b64: "" }, { plaintext: "a", aad: "" }],
    ["keys.encrypt", { plaintext: null, plaintext_b64: "Yg==", aad_b64: null }, { plaintext_b64: "Yg==" }],
    ["keys.encrypt", { plaintext: 7, plaintext_b64: "Yg==" }, { plaintext: 7, plaintext_b64: "Yg==" }],
    ["keys.decrypt", { ciphertext: "x", aad: "y", aad_b64: "" }, { ciphertext: "x", aad: "y" }],
    ["secrets.put", { name: "n", value_b64: "" }, { name: "n", value: "" }],
    ["secrets.put", { name: "n", value: "v", more: 1 }, { name: "n", value: "v", more: 1 }],
    ["keys.sign", { digest_b64: "AA==" }, { digest_b64: "AA==", encoding: "jose" }],
    ["keys.sign", { digest_b64: "AA==", encoding: "der" }, { digest_b64: "AA==", encoding: "der" }],
    ["keys.update", { description: null }, { description: null }],
    ["keys.create", [], []],
    ["keys.create", "x", "x"],
    ["keys.create", null, null],
  ] as const) {
    assert.deepEqual(bodyFromGo(action, given), expected, JSON.stringify(given));
  }
});

test("a token of three parts is one of these callers', a token of the vault is not", () => {
  assert.equal(isCompactJws("a.b.c"), true);
  for (const other of [undefined, "", "bkms_s_abc", "a.b", "a.b.c.d"]) {
    assert.equal(isCompactJws(other), false);
  }
});
