import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { der, derInteger } from "../../../../../test/vectors/der-writing.ts";
import { derSequence } from "../der.ts";
import type { KeyType } from "../key-type.ts";
import { findKeyType, keyTypeNames } from "../key-types.ts";

const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(name);
/** Composed here of keys that OpenSSL knows, whose PKCS#8 has one form to the last bit (x-wing.test.ts). */
const COMPOSED = ["ml-dsa-65-ed25519", "x-wing"];
/** One SLH-DSA type stands for all: its form is the others'. */
const NAMES = keyTypeNames().filter(
  (name) =>
    row(name).loadPublic && !COMPOSED.includes(name) && (!name.startsWith("slh-dsa") || name === "slh-dsa-sha2-128f"),
);
const KEY_USAGE = der(0x30, Buffer.from("0603551d0f", "hex"), der(0x31, Buffer.from("03020780", "hex")));

/** The parts of a key as OpenSSL writes it: algorithm, private key, and the public key's bits. */
async function partsOf(name: string) {
  const { material, publicKey } = await row(name).generate();
  const [, algorithm, key] = derSequence(material) ?? [];
  const bits = derSequence(publicKey)?.[1]?.content;
  assert.ok(algorithm && key && bits);
  return { material, publicKey, algorithm: der(0x30, algorithm.content), key: Buffer.from(key.content), bits };
}

for (const name of NAMES) {
  test(`${name} is imported as one PKCS#8 in DER, with nothing before, after or inside it that does not belong there`, async () => {
    const { material, algorithm, key } = await partsOf(name);
    const junk = Buffer.from("junk");
    const zero = derInteger(0n);
    const content = Buffer.concat([zero, algorithm, der(4, key)]);
    assert.deepEqual(der(0x30, content), material);
    const wrong = {
      "bytes after it": Buffer.concat([material, junk]),
      "a zero after it": Buffer.concat([material, Buffer.of(0)]),
      "another key after it": Buffer.concat([material, material]),
      "bytes at its end": der(0x30, content, junk),
      "an element at its end": der(0x30, content, der(5)),
      "bytes after the private key": der(0x30, zero, algorithm, der(4, key, junk)),
      "zeros after the private key": der(0x30, zero, algorithm, der(4, key, Buffer.alloc(3))),
      "an element after the private key": der(0x30, zero, algorithm, der(4, key, der(5))),
      "an indefinite length": Buffer.concat([Buffer.of(0x30, 0x80), content, Buffer.of(0, 0)]),
      "a string in pieces": der(0x30, zero, algorithm, der(0x24, der(4, key))),
      "an algorithm with more parameters": der(0x30, zero, der(0x30, algorithm.subarray(2), der(5)), der(4, key)),
      "version 2 without a public key": der(0x30, derInteger(1n), algorithm, der(4, key)),
      "empty attributes": der(0x30, content, der(0xa0)),
    };
    for (const [what, bytes] of Object.entries(wrong)) {
      assert.throws(
        () => row(name).accept("pkcs8", bytes),
        (error) => error instanceof BunkmsError && error.code === "invalid_key_material",
        what,
      );
    }
  });

  test(`${name} is imported with attributes, which are dropped, and with its own public key, but with no other`, async () => {
    const { material, publicKey, algorithm, key, bits } = await partsOf(name);
    const attributes = der(0xa0, KEY_USAGE);
    const version1 = [derInteger(0n), algorithm, der(4, key)];
    const version2 = [derInteger(1n), algorithm, der(4, key)];
    for (const bytes of [
      der(0x30, ...version1, attributes),
      der(0x30, ...version2, der(0x81, bits)),
      der(0x30, ...version2, attributes, der(0x81, bits)),
    ]) {
      assert.deepEqual(row(name).accept("pkcs8", bytes), { material, publicKey });
    }
    const changed = Buffer.from(bits);
    changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
    for (const other of [changed, bits.subarray(0, -1), bits.subarray(1), Buffer.alloc(0)]) {
      assert.throws(
        () => row(name).accept("pkcs8", der(0x30, ...version2, der(0x81, other))),
        (error) =>
          error instanceof BunkmsError &&
          /is not that of its private key|is not a private key of the declared format/.test(error.message),
      );
    }
    // The two in the other order, and a public key that version 1 does not have.
    for (const bytes of [
      der(0x30, ...version2, der(0x81, bits), attributes),
      der(0x30, ...version1, der(0x81, bits)),
    ]) {
      assert.throws(() => row(name).accept("pkcs8", bytes), { code: "invalid_key_material" });
    }
  });
}

test("an Ed25519 key beside another's public key is refused with that reason", async () => {
  const { algorithm, key } = await partsOf("ed25519");
  const { bits } = await partsOf("ed25519");
  const bytes = der(0x30, derInteger(1n), algorithm, der(4, key), der(0x81, bits));
  assert.throws(() => row("ed25519").accept("pkcs8", bytes), /public key .* is not that of its private key/);
});

for (const name of ["ml-dsa-44", "ml-dsa-87", "ml-kem-512", "ml-kem-1024"]) {
  test(`${name} is not imported as a seed that says not what it is`, async () => {
    const { material, algorithm } = await partsOf(name);
    const seed = material.subarray(name.startsWith("ml-dsa") ? -32 : -64);
    const bare = der(0x30, derInteger(0n), algorithm, der(4, seed));
    assert.throws(() => row(name).accept("pkcs8", bare), { code: "invalid_key_material" });
  });
}
