import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { AgreementFile } from "../../../../spec/vectors/agreement-vectors.ts";
import type { KeyType } from "./key-type.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";

const read = (name: string): AgreementFile =>
  JSON.parse(readFileSync(new URL(`../../../../spec/vectors/${name}`, import.meta.url), "utf8")) as AgreementFile;

const OURS = read("agreement.json");
/** What Go's standard library made with our keys; clients/go/envelope/agreement_test.go writes it. */
const OF_GO = read("agreement-go.json");

const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(`no type ${name}`);

function openKey(name: string) {
  const { private_key } = OURS.keys.find(({ key_type }) => key_type === name) ?? assert.fail(`no key of ${name}`);
  return row(name).load(Buffer.from(private_key, "hex"));
}

for (const { name, key_type, peer, shared_secret, outcome } of [...OURS.agreements, ...OF_GO.agreements]) {
  test(`agreement vector: ${name}`, async () => {
    const derive = async () => row(key_type).agreement?.derive(openKey(key_type), Buffer.from(peer, "hex"));
    switch (outcome) {
      case "shared":
        assert.equal((await derive())?.toString("hex"), shared_secret);
        break;
      case "invalid_public_key":
        await assert.rejects(derive(), (error) => error instanceof BunkmsError && error.code === outcome);
        break;
      default:
        assert.fail(`unknown outcome ${outcome}`);
    }
  });
}

for (const { name, key_type, ciphertext, shared_secret } of [...OURS.encapsulations, ...OF_GO.encapsulations]) {
  test(`encapsulation vector: ${name}`, () => {
    const secret = row(key_type).encapsulation?.decapsulate(openKey(key_type), Buffer.from(ciphertext, "hex"));
    assert.equal(secret?.toString("hex"), shared_secret);
  });
}

test("each type for agreement has its vectors, and a key whose halves belong together", () => {
  const types = keyTypeNames().filter((name) => row(name).purposes.includes("agree"));
  assert.deepEqual(
    OURS.keys.map(({ key_type }) => key_type),
    types,
  );
  for (const { key_type, private_key, public_key } of OURS.keys) {
    const type = row(key_type);
    const format = key_type === "x-wing" ? "raw" : "pkcs8";
    assert.equal(type.accept(format, Buffer.from(private_key, "hex")).publicKey.toString("hex"), public_key);
    const count = (of: readonly { readonly key_type: string }[]) => of.filter((v) => v.key_type === key_type).length;
    assert.equal(count(OURS.agreements), type.agreement ? 3 : 0);
    assert.equal(count(OURS.encapsulations), type.encapsulation ? 1 : 0);
  }
  assert.equal(OF_GO.agreements.length + OF_GO.encapsulations.length, 7);
});
