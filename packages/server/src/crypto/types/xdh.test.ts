import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { hex, readWycheproof, type WycheproofCase } from "../../../../../test/vectors/wycheproof.ts";
import type { KeyType } from "../key-type.ts";
import { findKeyType } from "../key-types.ts";
import { XDH_TYPES } from "./xdh.ts";

const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;
const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(`no type ${name}`);

interface Group {
  readonly tests: readonly (WycheproofCase & {
    readonly public: string;
    readonly private: string;
    readonly shared: string;
  })[];
}

/** The shared secret of stored material and a peer; the code of the error where there is none. */
async function derived(type: KeyType, material: Uint8Array, peer: Uint8Array): Promise<string> {
  try {
    const secret = await type.agreement?.derive(type.load(material), peer);
    return secret?.toString("hex") ?? "";
  } catch (error) {
    if (error instanceof BunkmsError) return error.code;
    throw error;
  }
}

/** [file, type, cases that share a secret, cases that are refused] */
const MONTGOMERY: readonly (readonly [string, string, number, number])[] = [
  ["x25519_test", "x25519", 487, 31],
  ["x25519_asn_test", "x25519", 487, 50],
  ["x448_test", "x448", 487, 23],
  ["x448_asn_test", "x448", 487, 42],
];

for (const [name, typeName, agreed, refused] of MONTGOMERY) {
  test(`REQ-13: every case of Wycheproof's ${name} is judged rightly`, async (t) => {
    const file = readWycheproof<Group>(`${name}.json`);
    const type = row(typeName);
    const prefix = hex(typeName === "x25519" ? "302a300506032b656e032100" : "3042300506032b656f033900");
    const isDer = name.includes("asn");
    const counts = { agreed: 0, refused: 0 };
    for (const { tests } of file.testGroups) {
      for (const vector of tests) {
        const { result, flags, tcId } = vector;
        const peer = isDer ? hex(vector.public) : Buffer.concat([prefix, hex(vector.public)]);
        let material: Buffer;
        try {
          ({ material } = type.accept(isDer ? "pkcs8" : "raw", hex(vector.private)));
        } catch (error) {
          assert.ok(isCode("invalid_key_material")(error));
          assert.deepEqual(flags, ["MissingOctetString"], `case ${tcId}`);
          counts.refused += 1;
          continue;
        }
        // "Acceptable" are points on the twist, of small order, and not reduced: RFC 7748 takes them, unless the secret
        // is all zero.
        const expected = result === "invalid" || flags.includes("ZeroSharedSecret");
        const secret = await derived(type, material, peer);
        assert.equal(secret, expected ? "invalid_public_key" : vector.shared, `case ${tcId}`);
        counts[expected ? "refused" : "agreed"] += 1;
      }
    }
    assert.equal(counts.agreed + counts.refused, file.numberOfTests);
    assert.deepEqual(counts, { agreed, refused });
    t.diagnostic(JSON.stringify(counts));
  });
}

/** [file, type, OpenSSL's curve, bytes of a scalar, cases that share a secret, cases that are refused] */
const NIST: readonly (readonly [string, string, string, number, number, number])[] = [
  ["ecdh_secp256r1_test", "ecdh-p256", "prime256v1", 32, 330, 282],
  ["ecdh_secp384r1_test", "ecdh-p384", "secp384r1", 48, 771, 276],
  ["ecdh_secp521r1_test", "ecdh-p521", "secp521r1", 66, 632, 284],
];

for (const [name, typeName, namedCurve, length, agreed, refused] of NIST) {
  test(`REQ-13: every case of Wycheproof's ${name} is judged rightly`, async (t) => {
    const file = readWycheproof<Group>(`${name}.json`);
    const type = row(typeName);
    const counts = { agreed: 0, refused: 0 };
    for (const { tests } of file.testGroups) {
      for (const { public: peer, private: scalar, shared, result, tcId } of tests) {
        // The files have scalars as signed numbers: shortened, or with a zero byte before them.
        const key = hex(scalar.slice(-2 * length).padStart(2 * length, "0"));
        const given = createPrivateKey({ key, format: "raw-private", asymmetricKeyType: "ec", namedCurve });
        const { material } = type.accept("pkcs8", given.export({ format: "der", type: "pkcs8" }));
        // "Acceptable" are other encodings: compressed points, spelt-out curves, BER. We take one encoding only.
        const valid = result === "valid";
        const secret = await derived(type, material, hex(peer));
        assert.equal(secret, valid ? shared : "invalid_public_key", `case ${tcId}`);
        counts[valid ? "agreed" : "refused"] += 1;
      }
    }
    assert.equal(counts.agreed + counts.refused, file.numberOfTests);
    assert.deepEqual(counts, { agreed, refused });
    t.diagnostic(JSON.stringify(counts));
  });
}

for (const type of XDH_TYPES) {
  test(`two ${type.name} keys share one secret, whichever of the two derives it`, async () => {
    const [one, other] = [await type.generate(), await type.generate()];
    const secret = await derived(type, one.material, other.publicKey);
    assert.equal(await derived(type, other.material, one.publicKey), secret);
    assert.notEqual(await derived(type, one.material, one.publicKey), secret);
    const privateKey = type.load(one.material);
    const publicKey = createPublicKey({ key: other.publicKey, format: "der", type: "spki" });
    assert.equal(diffieHellman({ privateKey, publicKey }).toString("hex"), secret);
  });

  test(`REQ-17: a peer's key for ${type.name} has one byte form`, async () => {
    const own = await type.generate();
    const { publicKey } = await type.generate();
    const malformed = [
      Buffer.alloc(0),
      publicKey.subarray(0, -1),
      Buffer.concat([publicKey, Buffer.alloc(1)]),
      Buffer.alloc(publicKey.length),
      Buffer.from(
        createPublicKey({ key: publicKey, format: "der", type: "spki" }).export({ format: "pem", type: "spki" }),
      ),
    ];
    for (const other of XDH_TYPES) {
      if (other !== type) malformed.push((await other.generate()).publicKey);
    }
    for (const peer of malformed) assert.equal(await derived(type, own.material, peer), "invalid_public_key");
  });

  test(`REQ-19: ${type.name} serves no key of another curve, nor a public one`, async () => {
    const { publicKey } = await type.generate();
    const derive = async (key: Parameters<NonNullable<KeyType["agreement"]>["derive"]>[0]) =>
      type.agreement?.derive(key, publicKey);
    for (const other of XDH_TYPES) {
      if (other === type) continue;
      await assert.rejects(derive(other.load((await other.generate()).material)), isCode("wrong_key_usage"));
    }
    const ownPublic = type.loadPublic?.(publicKey) ?? assert.fail();
    await assert.rejects(derive(ownPublic), isCode("wrong_key_usage"));
  });
}

test("a point that is not on its NIST curve is refused", async () => {
  for (const name of ["ecdh-p256", "ecdh-p384", "ecdh-p521"]) {
    const type = row(name);
    const [own, other] = [await type.generate(), await type.generate()];
    other.publicKey[other.publicKey.length - 1] = (other.publicKey.at(-1) ?? 0) ^ 1;
    assert.equal(await derived(type, own.material, other.publicKey), "invalid_public_key");
  }
});

test("raw private keys are imported where RFC 7748 has the form", async () => {
  // RFC 7748 section 6.1.
  const alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  const { accept } = row("x25519");
  assert.equal(await derived(row("x25519"), accept("raw", alice).material, accept("raw", bob).publicKey), secret);
  for (const [name, length] of [
    ["x25519", 31],
    ["x25519", 33],
    ["x448", 55],
    ["x448", 57],
    ["ecdh-p256", 32],
  ] as const) {
    assert.throws(() => row(name).accept("raw", Buffer.alloc(length, 9)), isCode("invalid_key_material"), name);
  }
});

/** PKCS#8 of a scalar on P-256, without and with a public key. */
const pkcs8 = (scalar: string, point?: string): Buffer =>
  point === undefined
    ? hex(`3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420${scalar}`)
    : hex(`308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420${scalar}a144034200${point}`);

test("an imported key on a NIST curve is checked, and kept in one form", async () => {
  const type = row("ecdh-p256");
  const key = createPrivateKey({ key: pkcs8("05".repeat(32)), format: "der", type: "pkcs8" });
  const point = createPublicKey(key).export({ format: "raw-public" }).toString("hex");
  const whole = type.accept("pkcs8", pkcs8("05".repeat(32), point));
  assert.deepEqual(type.accept("pkcs8", pkcs8("05".repeat(32))), whole);
  assert.equal(whole.publicKey.length, 91);

  const order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  for (const scalar of ["00".repeat(32), order, "ff".repeat(32)]) {
    assert.throws(() => type.accept("pkcs8", pkcs8(scalar)), isCode("invalid_key_material"), scalar);
    assert.throws(() => type.accept("pkcs8", pkcs8(scalar, point)), isCode("invalid_key_material"), scalar);
  }
  // Another scalar's public key.
  assert.throws(() => type.accept("pkcs8", pkcs8("06".repeat(32), point)), isCode("invalid_key_material"));
  const p384 = await row("ecdh-p384").generate();
  assert.throws(() => type.accept("pkcs8", p384.material), isCode("invalid_key_material"));
  assert.throws(() => type.accept("pkcs8", whole.material.subarray(0, -1)), isCode("invalid_key_material"));
});

for (const [name, namedCurve] of [
  ["ecdh-p256", "prime256v1"],
  ["ecdh-p384", "secp384r1"],
  ["ecdh-p521", "secp521r1"],
] as const) {
  test(`${name} is imported on its named curve, and not with the curve's parameters spelt out`, () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve, paramEncoding: "explicit" });
    const material = privateKey.export({ format: "der", type: "pkcs8" });
    assert.throws(() => row(name).accept("pkcs8", material), /must name the curve/);
  });
}
