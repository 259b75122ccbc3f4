import assert from "node:assert/strict";
import { createDecipheriv, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { encodeAdditional } from "./vectors/ciphertext-vectors.ts";
import { type EnvelopeVectors, envelopeVectors } from "./vectors/envelope-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/envelope.json", import.meta.url), "utf8")) as EnvelopeVectors;

test("envelope.json is what its generator makes, and each vector has a name of its own", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify(envelopeVectors())));
  assert.equal(new Set(FILE.vectors.map(({ name }) => name)).size, FILE.vectors.length);
});

test("the wrapped data keys of the vectors open under the key that is given, where they are of suite 0478", () => {
  const opened = FILE.vectors.filter(
    ({ outcome, wrapped_data_key: text = "" }) => outcome === "opens" && text.startsWith("bkmsBHh"),
  );
  for (const { context, data_key: dataKey, wrapped_data_key: text = "" } of opened) {
    const bytes = Buffer.from(text, "base64");
    const key = Buffer.from(FILE.key, "hex");
    const derived = hkdfSync("sha512", key, bytes.subarray(25, 57), "\x04xDERIVEKEY", 32);
    const decipher = createDecipheriv("aes-256-gcm", Buffer.from(derived), bytes.subarray(89, 101));
    decipher.setAAD(Buffer.concat([bytes.subarray(0, 101), encodeAdditional({ context })]));
    decipher.setAuthTag(bytes.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(101, -16)), decipher.final()]);
    assert.equal(plaintext.toString("hex"), dataKey);
  }
  assert.notEqual(opened.length, 0);
});
