import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { test } from "node:test";
import { ED25519PH_SIGNATURE as algorithm } from "./ed25519ph.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const ABC = Buffer.from("abc");
const DIGEST = createHash("sha512").update(ABC).digest();

test("REQ-13: Ed25519ph signs as RFC 8032 section 7.3 says, by message and by digest", async () => {
  const key = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
  const privateKey = createPrivateKey({ key, format: "raw-private", asymmetricKeyType: "ed25519" });
  const publicKey = createPublicKey(privateKey);
  assert.equal(
    publicKey.export({ format: "raw-public" }).toString("hex"),
    "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
  );
  const expected =
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41" +
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
  for (const input of [{ kind: "message", bytes: ABC } as const, { kind: "digest", bytes: DIGEST } as const]) {
    const signature = await algorithm.sign(privateKey, input);
    assert.equal(signature.toString("hex"), expected);
    assert.equal(await algorithm.verify(publicKey, input, signature), true);
  }
});

test("Ed25519ph is not Ed25519 of the digest, nor of the message", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const signature = await algorithm.sign(privateKey, { kind: "message", bytes: ABC });
  for (const bytes of [ABC, DIGEST]) {
    assert.equal(verify(null, bytes, publicKey, signature), false);
    const plain = sign(null, bytes, privateKey);
    assert.equal(await algorithm.verify(publicKey, { kind: "message", bytes: ABC }, plain), false);
  }
});

test("thousands of Ed25519ph signatures grow the process by next to nothing: nothing native is leaked", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const input = { kind: "digest", bytes: DIGEST } as const;
  const options = { context: Buffer.alloc(255, 1) };
  const round = async () => {
    for (let i = 0; i < 5000; i++) {
      const signature = await algorithm.sign(privateKey, input, options);
      assert.ok(await algorithm.verify(publicKey, input, signature, options));
    }
  };
  await round();
  const before = process.memoryUsage.rss();
  await round();
  assert.ok(process.memoryUsage.rss() - before < 12 * 2 ** 20);
});
