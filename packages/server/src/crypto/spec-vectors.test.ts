import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { type CiphertextVector, ciphertextVectors } from "../../../../spec/vectors/ciphertext-vectors.ts";
import type { SignatureFile } from "../../../../spec/vectors/signature-vectors.ts";
import { type AdditionalData, encodeAdditionalData } from "./additional-data.ts";
import { decodeText, parseHeader } from "./ciphertext.ts";
import { CommittingCipher } from "./committing-cipher.ts";
import { findKeyType } from "./key-types.ts";

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../spec/vectors/${name}`, import.meta.url), "utf8"));

const { vectors: CIPHERTEXTS } = read("ciphertext.json") as { vectors: CiphertextVector[] };
const { keys: KEYS, vectors: SIGNATURES } = read("signatures.json") as SignatureFile;

/** Opens a vector as the server does: by what the text's header says. */
function open(vector: CiphertextVector) {
  const ciphertext = decodeText(vector.ciphertext);
  const header = parseHeader(ciphertext);
  const key = createSecretKey(vector.key, "hex");
  const aad = encodeAdditionalData(additionalData(vector));
  return { ...header, plaintext: new CommittingCipher().decrypt({ ...header, key }, ciphertext, aad) };
}

function additionalData({ additional_data: given }: CiphertextVector): AdditionalData {
  if (given === null) return { kind: "none" };
  if ("raw" in given) return { kind: "raw", bytes: Buffer.from(given.raw, "hex") };
  return { kind: "context", entries: given.context };
}

test("the file of ciphertext vectors is what its generator makes", () => {
  assert.deepEqual({ vectors: CIPHERTEXTS }, JSON.parse(JSON.stringify({ vectors: ciphertextVectors() })));
  assert.equal(new Set(CIPHERTEXTS.map(({ name }) => name)).size, CIPHERTEXTS.length);
});

for (const vector of CIPHERTEXTS) {
  test(`ciphertext vector: ${vector.name}`, () => {
    assert.equal(encodeAdditionalData(additionalData(vector)).toString("hex"), vector.additional_data_encoded);
    switch (vector.outcome) {
      case "opens": {
        const { plaintext, keyId, version } = open(vector);
        assert.equal(plaintext.toString("hex"), vector.plaintext);
        assert.equal(keyId.toString("hex"), vector.key_id);
        assert.equal(version, vector.version);
        break;
      }
      case "decryption_failed":
        assert.throws(
          () => open(vector),
          (error) => error instanceof BunkmsError && error.code === "decryption_failed",
        );
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}

for (const vector of SIGNATURES) {
  test(`signature vector: ${vector.name}`, async () => {
    assert.ok(["valid", "invalid"].includes(vector.outcome), "unknown outcome");
    const algorithm = findKeyType(vector.key_type)?.signatures?.find(({ name }) => name === vector.algorithm);
    const { public_key } = KEYS.find(({ key_type }) => key_type === vector.key_type) ?? assert.fail("no key");
    const key = findKeyType(vector.key_type)?.loadPublic?.(Buffer.from(public_key, "hex")) ?? assert.fail("no key");
    const signature = Buffer.from(vector.signature, "hex");
    const options = { encoding: vector.encoding, context: Buffer.from(vector.context, "hex") };
    for (const kind of ["message", "digest"] as const) {
      if (kind === "digest" && algorithm?.hash === undefined) continue;
      const valid = await algorithm?.verify(key, { kind, bytes: Buffer.from(vector[kind], "hex") }, signature, options);
      assert.equal(valid, vector.outcome === "valid", kind);
    }
  });
}

test("stored private keys load, and sign as the vectors say where signatures are not randomised", async () => {
  let compared = 0;
  for (const { key_type, private_key } of KEYS) {
    const key = findKeyType(key_type)?.load(Buffer.from(private_key, "hex")) ?? assert.fail("no key type");
    for (const algorithm of findKeyType(key_type)?.signatures ?? []) {
      if (!algorithm.name.startsWith("rsa-pkcs1")) continue;
      const vector = SIGNATURES.find((of) => of.key_type === key_type && of.algorithm === algorithm.name);
      assert.ok(vector);
      const signature = await algorithm.sign(key, { kind: "message", bytes: Buffer.from(vector.message, "hex") });
      assert.equal(signature.toString("hex"), vector.signature);
      compared += 1;
    }
  }
  assert.equal(compared, 9);
});
