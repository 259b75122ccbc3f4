import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { RSA_SIGNATURES } from "./rsa.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

for (const algorithm of RSA_SIGNATURES.filter(({ hash }) => hash === "sha256")) {
  test(`${algorithm.name}: a signature that begins with a zero is not valid without it`, async () => {
    for (let i = 0; ; i++) {
      const bytes = Buffer.from(`message ${i}`);
      const signature = await algorithm.sign(privateKey, { kind: "message", bytes });
      assert.equal(signature.length, 256);
      if (signature[0] !== 0) continue;
      const digest = createHash("sha256").update(bytes).digest();
      for (const input of [{ kind: "message", bytes } as const, { kind: "digest", bytes: digest } as const]) {
        assert.equal(await algorithm.verify(publicKey, input, signature), true);
        assert.equal(await algorithm.verify(publicKey, input, signature.subarray(1)), false);
        assert.equal(await algorithm.verify(publicKey, input, Buffer.concat([Buffer.alloc(1), signature])), false);
      }
      return;
    }
  });
}
