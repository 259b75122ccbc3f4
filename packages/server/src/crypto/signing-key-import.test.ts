import assert from "node:assert/strict";
import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { KeyType } from "./key-type.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";

const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(name);
const hex = (text: string) => Buffer.from(text, "hex");
const pkcs8 = (key: KeyObject) => key.export({ format: "der", type: "pkcs8" });
const refuses = (name: string, format: "raw" | "pkcs8", material: Uint8Array, why: RegExp) =>
  assert.throws(
    () => row(name).accept(format, material),
    (error) => error instanceof BunkmsError && error.code === "invalid_key_material" && why.test(error.message),
    `${name}, ${why}`,
  );

const SIGNING = keyTypeNames().filter((name) => row(name).signatures !== undefined);
const ECDSA = [
  ["ecdsa-p256", "prime256v1", 32],
  ["ecdsa-p384", "secp384r1", 48],
  ["ecdsa-p521", "secp521r1", 66],
  ["ecdsa-secp256k1", "secp256k1", 32],
] as const;
const RAW = [
  ["ed25519", 32],
  ["ed448", 57],
  ["ml-dsa-44", 32],
  ["ml-dsa-65", 32],
  ["ml-dsa-87", 32],
] as const;

for (const name of SIGNING) {
  test(`a generated ${name} key comes back by import as the same material and public key`, async () => {
    const { material, publicKey } = await row(name).generate();
    const accepted = row(name).accept("pkcs8", material);
    assert.deepEqual(accepted, { material, publicKey });
    assert.notEqual(accepted.material.buffer, material.buffer);
  });

  test(`${name} refuses DER that is cut, empty, or no key`, async () => {
    const { material, publicKey } = await row(name).generate();
    for (const wrong of [
      publicKey,
      Buffer.alloc(0),
      Buffer.alloc(100),
      material.subarray(0, -1),
      material.subarray(0, 20),
      material.subarray(1),
    ]) {
      refuses(name, "pkcs8", wrong, /is not a private key of the declared format|has 64 bytes, raw or as PKCS#8/);
    }
  });
}

test("a key of another type, size or curve is refused with what it must be", () => {
  const p384 = pkcs8(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey);
  refuses("ecdsa-p256", "pkcs8", p384, /must be on the named curve prime256v1/);
  refuses("ed25519", "pkcs8", p384, /must be on the curve of ed25519/);
  refuses("ml-dsa-65", "pkcs8", pkcs8(generateKeyPairSync("ml-dsa-44").privateKey), /must be of ML-DSA-65/);
  const slhDsa = pkcs8(generateKeyPairSync("slh-dsa-sha2-128f").privateKey);
  refuses("slh-dsa-shake-128f", "pkcs8", slhDsa, /must be of SLH-DSA-SHAKE-128f/i);
});

/** Some scalars OpenSSL itself refuses to read or to write. */
const UNFIT = /not in the range of its curve|is not a private key of the declared format/;

for (const [name, namedCurve, size] of ECDSA) {
  test(`${name} is imported as PKCS#8 that names its curve, and as nothing else`, () => {
    refuses(name, "raw", Buffer.alloc(size, 1), /is imported as PKCS#8/);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve, paramEncoding: "explicit" });
    refuses(name, "pkcs8", pkcs8(privateKey), /must name the curve .*explicit curve parameters are not taken/);
  });

  test(`${name} refuses a scalar that is 0 or not below the order, with its public key or without`, () => {
    for (const scalar of [Buffer.alloc(size), hex(ORDERS[namedCurve]), Buffer.alloc(size, 0xff)]) {
      refuses(name, "pkcs8", ecPkcs8(namedCurve, scalar, pointOf(namedCurve, size)), UNFIT);
      refuses(name, "pkcs8", ecPkcs8(namedCurve, scalar), UNFIT);
    }
    const largest = hex(ORDERS[namedCurve]);
    largest.writeUInt8(largest.readUInt8(size - 1) - 1, size - 1);
    row(name).accept("pkcs8", ecPkcs8(namedCurve, largest));
  });

  test(`${name} refuses a public key that is not that of its private key`, () => {
    const material = ecPkcs8(namedCurve, Buffer.alloc(size, 1), pointOf(namedCurve, size));
    refuses(name, "pkcs8", material, /is not that of its private key/);
  });

  test(`${name} is kept with its public key, also when that was absent or compressed`, () => {
    const scalar = Buffer.alloc(size, 1);
    const pair = createECDH(namedCurve);
    pair.setPrivateKey(scalar);
    const whole = ecPkcs8(namedCurve, scalar, pair.getPublicKey());
    for (const point of [undefined, pair.getPublicKey(null, "compressed"), pair.getPublicKey()]) {
      const { material, publicKey } = row(name).accept("pkcs8", ecPkcs8(namedCurve, scalar, point));
      assert.deepEqual(material, whole);
      assert.deepEqual(publicKey.subarray(-2 * size - 1), pair.getPublicKey());
    }
  });
}

for (const [name, length] of RAW) {
  test(`${name} is imported raw as ${length} bytes, and gives its standard's public key`, () => {
    for (const wrong of [0, 1, length - 1, length + 1, 64]) {
      refuses(name, "raw", Buffer.alloc(wrong, 1), new RegExp(`a raw key of type ${name} has ${length} bytes`));
    }
    const raw = Buffer.alloc(length, 1);
    const { material, publicKey } = row(name).accept("raw", raw);
    assert.deepEqual(raw, Buffer.alloc(length, 1));
    assert.ok(createPublicKey(row(name).load(material)).equals(row(name).loadPublic?.(publicKey) as KeyObject));
    assert.ok(material.subarray(-length).equals(raw));
  });
}

test("ml-dsa-65-ed25519 is imported raw as 64 bytes, and takes no longer DER", async () => {
  const name = "ml-dsa-65-ed25519";
  const { material, publicKey } = await row(name).generate();
  assert.deepEqual(row(name).accept("raw", material.subarray(-64)), { material, publicKey });
  for (const length of [0, 32, 63, 65]) refuses(name, "raw", Buffer.alloc(length, 1), /has 64 bytes/);
  refuses(name, "pkcs8", Buffer.concat([material, Buffer.alloc(1)]), /has 64 bytes/);
});

for (const name of SIGNING.filter((one) => one.startsWith("slh-dsa"))) {
  test(`${name} is imported raw, and refused when its root is not that of its seeds`, async () => {
    const { material, publicKey } = await row(name).generate();
    const raw = createPrivateKey({ key: material, format: "der", type: "pkcs8" }).export({ format: "raw-private" });
    assert.deepEqual(row(name).accept("raw", raw), { material, publicKey });
    raw.writeUInt8(raw.readUInt8(raw.length - 1) ^ 1, raw.length - 1);
    refuses(name, "raw", raw, /is not that of its private key/);
    refuses(name, "raw", raw.subarray(1), new RegExp(`has ${raw.length} bytes`));
  });
}

/** The orders of the curves' groups (SP 800-186 section 3.2.1, SEC 2 section 2.4.1). */
const ORDERS = {
  prime256v1: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
  secp384r1: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
  secp521r1: `01${"f".repeat(64)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
  secp256k1: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
} as const;

/** A PKCS#8 of an elliptic-curve key (RFC 5958, RFC 5915), written by hand. */
function ecPkcs8(namedCurve: keyof typeof ORDERS, scalar: Buffer, point?: Buffer): Buffer {
  const spki = generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "der", type: "spki" });
  const start = spki[1] === 0x81 ? 3 : 2;
  const algorithm = spki.subarray(start, start + 2 + (spki[start + 1] ?? 0));
  const given = point ? [der(0xa1, der(0x03, Buffer.of(0), point))] : [];
  return der(0x30, hex("020100"), algorithm, der(0x04, der(0x30, hex("020101"), der(0x04, scalar), ...given)));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([
    content.length < 128 ? Buffer.of(tag, content.length) : Buffer.of(tag, 0x81, content.length),
    content,
  ]);
}

/** A point of the curve: that of the scalar 2. */
function pointOf(namedCurve: string, size: number): Buffer {
  const pair = createECDH(namedCurve);
  pair.setPrivateKey(Buffer.concat([Buffer.alloc(size - 1), Buffer.of(2)]));
  return pair.getPublicKey();
}
