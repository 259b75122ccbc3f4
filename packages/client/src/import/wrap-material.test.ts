import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { KEY_WRAP_ALGORITHMS, MOST_WRAPPED_MATERIAL, unwrapImported } from "../../../server/src/crypto/key-wrap.ts";
import { RequestError } from "../errors.ts";
import { wrapMaterial } from "./wrap-material.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = publicKey.export({ format: "pem", type: "spki" }).toString();

describe("wrapped key material", () => {
  for (const [algorithm, lengths] of [
    ["rsa-oaep-sha256", [1, 32, 190]],
    ["rsa-aes-key-wrap-sha256", [1, 7, 8, 9, 32, 1218, MOST_WRAPPED_MATERIAL]],
  ] as const) {
    test(`by ${algorithm} is what the server unwraps, at every length that fits`, async () => {
      for (const length of lengths) {
        const material = Buffer.alloc(length, 0x5a);
        const wrapped = wrapMaterial(PEM, algorithm, material);
        assert.deepEqual(await unwrapImported(privateKey, algorithm, wrapped), material);
        assert.notDeepEqual(wrapMaterial(PEM, algorithm, material), wrapped);
        assert.deepEqual(material, Buffer.alloc(length, 0x5a));
      }
    });
  }

  test("is not made of what is too long or nothing, and the error names the algorithm that can", () => {
    assert.throws(() => wrapMaterial(PEM, "rsa-oaep-sha256", Buffer.alloc(191)), /use rsa-aes-key-wrap-sha256/);
    for (const algorithm of KEY_WRAP_ALGORITHMS) {
      for (const length of [0, MOST_WRAPPED_MATERIAL + 1]) {
        assert.throws(() => wrapMaterial(PEM, algorithm, Buffer.alloc(length)), RequestError);
      }
    }
  });

  test("is not made under what is no RSA key of 2048 bits or more", () => {
    const others = [
      generateKeyPairSync("rsa", { modulusLength: 1024 }),
      generateKeyPairSync("ec", { namedCurve: "P-256" }),
      generateKeyPairSync("ed25519"),
    ].map((pair) => pair.publicKey.export({ format: "pem", type: "spki" }).toString());
    for (const pem of [...others, "", "nonsense", PEM.slice(0, 200)]) {
      assert.throws(() => wrapMaterial(pem, "rsa-aes-key-wrap-sha256", Buffer.alloc(32)), RequestError);
    }
  });
});
