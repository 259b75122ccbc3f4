import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { verifyHs256 } from "./compact-jws.ts";

interface Group {
  readonly private: { readonly kty: string; readonly k?: string };
  readonly tests: readonly (WycheproofCase & { readonly jws: string })[];
}

const keyOf = (k: string) => createSecretKey(Buffer.from(k, "base64url"));

/** RFC 7515 appendix A.1. */
const A1 = {
  key: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
  token:
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
};

test("the example of RFC 7515 A.1 is right, with its header and payload", () => {
  const jws = verifyHs256(A1.token, keyOf(A1.key));
  assert.equal(jws?.header.toString(), '{"typ":"JWT",\r\n "alg":"HS256"}');
  assert.match(jws?.payload.toString() ?? "", /^\{"iss":"joe",/);
});

test("REQ-13, REQ-34: Wycheproof's vectors of HS256 have their outcome", () => {
  // Their MAC is over a text without the foreign character that stands in it: right for who skips it, which RFC 7515 does not.
  const lenient = [372, 373];
  // Their padding was lost: each is the very text of 357, which is valid.
  const sameAsValid = [367, 370];
  let ran = 0;
  for (const { private: key, tests } of readWycheproof<Group>("json_web_signature_test.json").testGroups) {
    if (key?.kty !== "oct" || key.k === undefined) continue;
    for (const { tcId, jws, result, comment } of tests) {
      if (typeof jws !== "string") continue;
      const isValid = (result === "valid" && !lenient.includes(tcId)) || sameAsValid.includes(tcId);
      assert.equal(verifyHs256(jws, keyOf(key.k)) !== undefined, isValid, `${tcId}: ${comment}`);
      ran += 1;
    }
  }
  assert.equal(ran, 40);
});

test("REQ-14: every single changed bit of a token is refused, and every shorter and longer one", () => {
  const key = keyOf(A1.key);
  const bytes = Buffer.from(A1.token);
  for (let i = 0; i < bytes.length * 8; i++) {
    const changed = Buffer.from(bytes);
    changed[i >> 3] = (changed[i >> 3] as number) ^ (1 << (i & 7));
    assert.equal(verifyHs256(changed.toString("latin1"), key), undefined, `bit ${i}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(verifyHs256(A1.token.slice(0, length), key), undefined, `${length} characters`);
  }
  for (const more of ["=", "A", ".", " ", "\n", ".A"]) {
    assert.equal(verifyHs256(A1.token + more, key), undefined, JSON.stringify(more));
    assert.equal(verifyHs256(more + A1.token, key), undefined, JSON.stringify(more));
  }
});
