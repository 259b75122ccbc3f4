import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { Bytes } from "../crypto/bytes.ts";
import { concat } from "../crypto/bytes.ts";
import { makeWebStreamCipher } from "../crypto/web-stream-cipher.ts";
import { makeNodeStreamCipher } from "./node-stream-cipher.ts";

const bytes = (length: number): Bytes => new Uint8Array(randomBytes(length));

test("Node's cipher and WebCrypto's seal alike, open what the other sealed, and refuse what was changed", async () => {
  const key = bytes(32);
  const [node, web] = [await makeNodeStreamCipher(key), await makeWebStreamCipher(key)];
  for (const length of [0, 1, 15, 16, 65_536]) {
    const [nonce, plaintext] = [bytes(12), bytes(length)];
    const sealed = concat(...(await node.seal(nonce, plaintext)));
    assert.deepEqual(concat(...(await web.seal(nonce, plaintext))), sealed);
    for (const cipher of [node, web]) {
      assert.deepEqual(concat((await cipher.open(nonce, sealed)) as Bytes), plaintext);
      const changed = Uint8Array.from(sealed);
      changed[0] = (changed[0] as number) ^ 1;
      assert.equal(await cipher.open(nonce, changed), undefined);
      assert.equal(await cipher.open(bytes(12), sealed), undefined);
    }
  }
});

test("both copy what they are given before they return, and leave the key to its owner", async () => {
  for (const make of [makeNodeStreamCipher, makeWebStreamCipher]) {
    const [key, nonce, plaintext] = [bytes(32), bytes(12), bytes(1000)];
    const [keyCopy, plaintextCopy] = [Uint8Array.from(key), Uint8Array.from(plaintext)];
    const cipher = await make(key);
    assert.deepEqual(key, keyCopy);
    key.fill(0);
    const sealing = cipher.seal(nonce, plaintext);
    plaintext.fill(0);
    const sealed = concat(...(await sealing));
    const opening = cipher.open(nonce, sealed);
    sealed.fill(0);
    assert.deepEqual(concat((await opening) as Bytes), plaintextCopy);
  }
});
