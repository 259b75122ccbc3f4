import assert from "node:assert/strict";
import { test } from "node:test";
import { isTokenForm, makeToken } from "./token-format.ts";

test("REQ-33: a token has the prefix, type, 30 random characters and a checksum that scanners can check", () => {
  for (const kind of ["r", "s"] as const) {
    const token = makeToken(kind);
    assert.match(token, /^bkms_[rs]_[0-9A-Za-z]{36}$/);
    assert.equal(token.at(5), kind);
    assert.ok(isTokenForm(token));
  }
});

test("REQ-33: any single changed character fails the checksum or the form", () => {
  const token = makeToken("s");
  for (let i = 0; i < token.length; i++) {
    for (const other of "0aZ_ r") {
      if (other !== token[i]) {
        assert.equal(isTokenForm(token.slice(0, i) + other + token.slice(i + 1)), false, `at ${i}`);
      }
    }
  }
});

test("REQ-33: no token comes twice, and each of the 62 characters occurs about as often as any", () => {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  const tokens = 4000;
  for (let i = 0; i < tokens; i++) {
    const token = makeToken("s");
    seen.add(token);
    for (const character of token.slice(7, 37)) {
      counts.set(character, (counts.get(character) ?? 0) + 1);
    }
  }
  assert.equal(seen.size, tokens);
  assert.equal(counts.size, 62);
  const expected = (tokens * 30) / 62;
  for (const [character, count] of counts) {
    // Ten standard deviations: a fair draw never fails, a biased modulo (4/256 more for some) does at once.
    assert.ok(Math.abs(count - expected) < 10 * Math.sqrt(expected), `${character}: ${count}`);
  }
});

test("texts that only look like tokens are none", () => {
  for (const text of [
    "",
    "bkms_",
    "bkms_s_",
    `bkms_x_${"a".repeat(36)}`,
    `${makeToken("s")} `,
    ` ${makeToken("s")}`,
    `${makeToken("s")}\n`,
  ]) {
    assert.equal(isTokenForm(text), false, text);
  }
});
