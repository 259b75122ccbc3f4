import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, createSecretKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { findKeyType } from "../key-types.ts";
import { COMPOSITE_ML_DSA_TYPE as type } from "../types/composite-ml-dsa.ts";
import { COMPOSITE_SIGNATURE as algorithm } from "./composite.ts";

interface Vector {
  readonly message: string;
  readonly context: string;
  readonly public_key: string;
  readonly private_key: string;
  readonly pkcs8: string;
  readonly signature: string;
  readonly signature_in_context: string;
}

const vector = JSON.parse(
  readFileSync(new URL("../../../../../test/vectors/composite-ml-dsa.json", import.meta.url), "utf8"),
) as Vector;
const bytesOf = (member: keyof Vector) => Buffer.from(vector[member], "base64");
const MESSAGE = { kind: "message", bytes: bytesOf("message") } as const;
const DIGEST = { kind: "digest", bytes: createHash("sha512").update(MESSAGE.bytes).digest() } as const;
const context = bytesOf("context");
const { material, publicKey } = type.accept("pkcs8", bytesOf("pkcs8"));
const privateKey = type.load(material);
const ownKey = type.loadPublic?.(publicKey) ?? assert.fail();

test("REQ-13: the draft's private key is read in both of its forms, and gives the draft's public key", () => {
  assert.deepEqual(type.accept("raw", bytesOf("private_key")), { material, publicKey });
  assert.deepEqual(material, bytesOf("pkcs8"));
  assert.deepEqual(publicKey.subarray(-1984), bytesOf("public_key"));
  // The header's lengths, as any reader of DER would take them.
  assert.equal(publicKey.readUInt16BE(2), publicKey.length - 4);
  assert.equal(publicKey.length, 1984 + 21);
});

test("REQ-13: the draft's signatures are valid, each in its context only, by message and by digest", async () => {
  for (const input of [MESSAGE, DIGEST]) {
    assert.equal(await algorithm.verify(ownKey, input, bytesOf("signature")), true);
    assert.equal(await algorithm.verify(ownKey, input, bytesOf("signature"), { context }), false);
    assert.equal(await algorithm.verify(ownKey, input, bytesOf("signature_in_context"), { context }), true);
    assert.equal(await algorithm.verify(ownKey, input, bytesOf("signature_in_context")), false);
  }
});

test("its Ed25519 half, which has no randomness, is the draft's", async () => {
  for (const [member, options] of [
    ["signature", {}],
    ["signature_in_context", { context }],
  ] as const) {
    const signature = await algorithm.sign(privateKey, MESSAGE, options);
    assert.deepEqual(signature.subarray(3309), bytesOf(member).subarray(3309));
  }
});

test("a signature with one half of another is not valid, whichever half it is", async () => {
  const right = await algorithm.sign(privateKey, MESSAGE);
  const other = await algorithm.sign(privateKey, { kind: "message", bytes: Buffer.of(1) });
  for (const mixed of [
    Buffer.concat([right.subarray(0, 3309), other.subarray(3309)]),
    Buffer.concat([other.subarray(0, 3309), right.subarray(3309)]),
  ]) {
    assert.equal(await algorithm.verify(ownKey, MESSAGE, mixed), false);
  }
  for (const at of [0, 3308, 3309, 3372]) {
    const flipped = Buffer.from(right);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
    assert.equal(await algorithm.verify(ownKey, MESSAGE, flipped), false);
  }
});

test("its halves are no signatures of the message by either algorithm alone", async () => {
  const raw = bytesOf("private_key");
  const mlDsa = createPrivateKey({ key: raw.subarray(0, 32), format: "raw-seed", asymmetricKeyType: "ml-dsa-65" });
  const ed25519 = createPrivateKey({ key: raw.subarray(32), format: "raw-private", asymmetricKeyType: "ed25519" });
  const signature = await algorithm.sign(privateKey, MESSAGE);
  assert.equal(verify(null, MESSAGE.bytes, createPublicKey(mlDsa), signature.subarray(0, 3309)), false);
  assert.equal(verify(null, MESSAGE.bytes, createPublicKey(ed25519), signature.subarray(3309)), false);
  const alone = Buffer.concat([sign(null, MESSAGE.bytes, mlDsa), sign(null, MESSAGE.bytes, ed25519)]);
  assert.equal(await algorithm.verify(ownKey, MESSAGE, alone), false);
});

test("REQ-19: a key of another type with the very same bytes neither signs nor verifies", async () => {
  const hmac = findKeyType("hmac-sha512") ?? assert.fail();
  await assert.rejects(async () => algorithm.sign(hmac.load(bytesOf("private_key")), MESSAGE), {
    code: "wrong_key_usage",
  });
  const wrong = [createSecretKey(bytesOf("public_key")), privateKey];
  for (const key of wrong) {
    await assert.rejects(async () => algorithm.verify(key, MESSAGE, bytesOf("signature")), { code: "wrong_key_usage" });
  }
  await assert.rejects(async () => algorithm.sign(ownKey, MESSAGE), { code: "wrong_key_usage" });
});
