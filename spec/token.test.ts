import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { isTokenForm, makeToken } from "../packages/server/src/access/token-format.ts";
import { Tokens } from "../packages/server/src/access/tokens.ts";
import { secretKey } from "../packages/server/src/crypto/keys.ts";
import type { Records } from "../packages/server/src/vault/records.ts";
import { type TokenVector, tokenVectors } from "./vectors/token-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/token.json", import.meta.url), "utf8")) as {
  readonly vectors: readonly TokenVector[];
};

test("token.json is what its generator makes", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify({ vectors: tokenVectors() })));
});

for (const { name, token, outcome, token_key = "", path } of FILE.vectors) {
  test(`REQ-33: token: ${name}`, async () => {
    switch (outcome) {
      case "well_formed":
        assert.equal(isTokenForm(token), true);
        assert.deepEqual(await lookUp(token, token_key), [`token/${path}`]);
        break;
      case "malformed":
        assert.equal(isTokenForm(token), false);
        assert.deepEqual(await lookUp(token, "00".repeat(32)), []);
        break;
      default:
        assert.fail(`unknown outcome ${outcome}`);
    }
  });
}

/** Where a token is looked for in a store that has none. */
async function lookUp(token: string, tokenKey: string): Promise<readonly string[]> {
  const seen: string[] = [];
  const records = {
    read: async (table: string, path: string) => {
      seen.push(`${table}/${path}`);
      return undefined;
    },
  };
  const tokens = new Tokens(records as unknown as Records, secretKey(Buffer.from(tokenKey, "hex")));
  await assert.rejects(
    tokens.authenticate(token, 0),
    (error) => error instanceof BunkmsError && error.code === "unauthenticated",
  );
  return seen;
}

test("a made token is well-formed, and any one wrong character of it is noticed", () => {
  const token = makeToken("s");
  assert.equal(isTokenForm(token), true);
  for (let at = 0; at < token.length; at++) {
    for (const other of "0Az_") {
      const typo = token.slice(0, at) + other + token.slice(at + 1);
      assert.equal(isTokenForm(typo), typo === token, typo);
    }
  }
});
