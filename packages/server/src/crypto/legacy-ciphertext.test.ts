import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { LegacyVector } from "../../../../spec/vectors/generate-bunkms-go.ts";
import { encodeAdditionalData } from "./additional-data.ts";
import { decodeText } from "./ciphertext.ts";
import { isLegacy, legacyVersion, openLegacy } from "./legacy-ciphertext.ts";

const { vectors } = JSON.parse(
  readFileSync(new URL("../../../../spec/vectors/ciphertext-bunkms-go.json", import.meta.url), "utf8"),
) as { vectors: readonly LegacyVector[] };

const isFailure = (error: unknown) => error instanceof BunkmsError && error.code === "decryption_failed";

function open({ key, aad, ciphertext }: LegacyVector): Buffer {
  const bytes = decodeText(ciphertext);
  if (!isLegacy(bytes)) {
    throw new BunkmsError("decryption_failed");
  }
  const version = { keyId: Buffer.alloc(16), version: legacyVersion(bytes), key: createSecretKey(key, "hex") };
  return openLegacy(version, bytes, encodeAdditionalData({ kind: "raw", bytes: Buffer.from(aad, "hex") }));
}

for (const vector of vectors) {
  test(`ciphertext of the Go BunKMS: ${vector.name}`, () => {
    if (vector.outcome === "opens") {
      assert.equal(open(vector).toString("hex"), vector.plaintext);
      assert.equal(legacyVersion(decodeText(vector.ciphertext)), vector.version);
    } else {
      assert.equal(vector.outcome, "decryption_failed");
      assert.throws(() => open(vector), isFailure);
    }
  });
}

test("there are vectors of both outcomes", () => {
  assert.deepEqual(new Set(vectors.map(({ outcome }) => outcome)), new Set(["opens", "decryption_failed"]));
});

test("an encryption context could not be bound there, and opens nothing", () => {
  const [vector = assert.fail()] = vectors;
  const bytes = decodeText(vector.ciphertext);
  const version = { keyId: Buffer.alloc(16), version: 1, key: createSecretKey(vector.key, "hex") };
  const context = encodeAdditionalData({ kind: "context", entries: { a: "b" } });
  assert.throws(() => openLegacy(version, bytes, context), isFailure);
});

test("what begins as a ciphertext of our own is none of them, and neither is what is too short", () => {
  assert.equal(isLegacy(Buffer.from("6e49ac".padEnd(200, "0"), "hex")), false);
  assert.equal(isLegacy(Buffer.alloc(31)), false);
  assert.equal(isLegacy(Buffer.alloc(32)), true);
});
