import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { SuiteFile, SuiteVector } from "../../../../spec/vectors/suite-vector.ts";
import { suiteFile } from "../../../../spec/vectors/suite-vectors.ts";
import { type AdditionalData, encodeAdditionalData } from "./additional-data.ts";
import { decodeText, parseHeader } from "./ciphertext.ts";
import { deriveVersion } from "./derived-version.ts";
import { findKeyType } from "./key-types.ts";
import { SUITES } from "./suites.ts";

const FILE = JSON.parse(
  readFileSync(new URL("../../../../spec/vectors/ciphertext-suites.json", import.meta.url), "utf8"),
) as SuiteFile;

/** Reads a vector as its cipher does, for the key and version that the header names. */
async function open(vector: SuiteVector) {
  const ciphertext = decodeText(vector.ciphertext);
  const header = parseHeader(ciphertext);
  const { key_type, material } = FILE.keys.find(({ name }) => name === vector.key) ?? assert.fail("no key");
  const type = findKeyType(key_type) ?? assert.fail("no key type");
  const cipher = type.ciphers?.find(({ suite }) => hexOf(suite) === vector.suite) ?? assert.fail("no cipher");
  const version = { ...header, key: type.load(Buffer.from(material, "hex")) };
  const aad = encodeAdditionalData(additionalData(vector));
  const plaintext = await cipher.decrypt(vector.derived ? deriveVersion(version, aad) : version, ciphertext, aad);
  return { ...header, plaintext };
}

const hexOf = (suite: number): string => suite.toString(16).padStart(4, "0");

function additionalData({ additional_data: given }: SuiteVector): AdditionalData {
  if (given === null) return { kind: "none" };
  if ("raw" in given) return { kind: "raw", bytes: Buffer.from(given.raw, "hex") };
  return { kind: "context", entries: given.context };
}

test("the file of vectors of all suites is what its generator makes", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify(suiteFile(FILE.keys))));
  assert.equal(new Set(FILE.vectors.map(({ name }) => name)).size, FILE.vectors.length);
});

test("every suite has vectors that open and, but for the one with a file of its own, many that do not", () => {
  for (const suite of SUITES.keys()) {
    const own = FILE.vectors.filter((vector) => vector.suite === hexOf(suite));
    assert.ok(own.filter(({ outcome }) => outcome === "opens").length >= 2);
    assert.ok(own.filter(({ outcome }) => outcome !== "opens").length >= (hexOf(suite) === "0478" ? 2 : 20));
  }
});

for (const vector of FILE.vectors) {
  test(`ciphertext vector: ${vector.name}`, async () => {
    assert.equal(encodeAdditionalData(additionalData(vector)).toString("hex"), vector.additional_data_encoded);
    switch (vector.outcome) {
      case "opens": {
        const { plaintext, suite, keyId, version } = await open(vector);
        assert.equal(plaintext.toString("hex"), vector.plaintext);
        assert.deepEqual([hexOf(suite), keyId.toString("hex"), version], [vector.suite, vector.key_id, vector.version]);
        break;
      }
      case "decryption_failed":
        await assert.rejects(
          open(vector),
          (error) => error instanceof BunkmsError && error.code === "decryption_failed",
        );
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}
