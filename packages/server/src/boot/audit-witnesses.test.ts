import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { COSIGNATURE_ED25519, formatVkey, noteKey, parsePolicy } from "@bunkms/tlog";
import { ConfigError } from "../config/config-error.ts";
import { usablePolicy } from "./audit-witnesses.ts";

function vkey(name: string): string {
  return formatVkey(noteKey(name, COSIGNATURE_ED25519, generateKeyPairSync("ed25519").publicKey));
}

function read(...lines: readonly string[]) {
  return usablePolicy(parsePolicy(Buffer.from(`${lines.join("\n")}\n`)), "the policy");
}

function reasons(...lines: readonly string[]): readonly string[] {
  try {
    read(...lines);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.reasons;
  }
  assert.fail("the policy was accepted");
}

test("witnesses with an address are those that are asked, the others only verify", () => {
  const { witnesses } = read(
    `witness a ${vkey("a.example")} https://a.example/log/`,
    `witness b ${vkey("b.example")}`,
    `witness c ${vkey("c.example")} http://127.0.0.1:8000`,
    "group any any a b c",
    "quorum any",
  );
  assert.deepEqual(
    witnesses.map(({ name, address }) => [name, address.href]),
    [
      ["a", "https://a.example/log/"],
      ["c", "http://127.0.0.1:8000/"],
    ],
  );
  assert.deepEqual(read("quorum none").witnesses, []);
});

test("addresses that may not be called are refused, each with its witness", () => {
  const found = reasons(
    `witness a ${vkey("a.example")} http://a.example`,
    `witness b ${vkey("b.example")} https://b.example`,
    `witness c ${vkey("c.example")} https://user:secret@c.example`,
    `witness d ${vkey("d.example")} nonsense`,
    `witness e ${vkey("e.example")} https://e.example/?q`,
    "quorum b",
  );
  assert.equal(found.length, 4);
  assert.match(found[0] ?? "", /witness 1 must begin with https/);
  assert.match(found[1] ?? "", /witness 3 must be an address alone/);
  assert.match(found[2] ?? "", /witness 4 is not an address/);
  assert.match(found[3] ?? "", /witness 5 must be an address alone/);
  assert.doesNotMatch(found.join(), /secret/);
});

test("a quorum that those with an address cannot make is refused, and so are too many of them", () => {
  assert.match(
    reasons(`witness a ${vkey("a.example")}`, "quorum a").join(),
    /the quorum cannot be reached by the witnesses that have an address/,
  );
  const many = Array.from({ length: 65 }, (_, i) => `witness w${i} ${vkey(`w${i}.example`)} https://w.example`);
  assert.match(reasons(...many, "quorum none").join(), /more than 64 witnesses/);
  assert.equal(read(...many.slice(1), "quorum none").witnesses.length, 64);
});
