import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { collide } from "../../../../test/vectors/gcm-collision.ts";
import { gcmOpen } from "./aes-gcm.ts";
import { CommittingCipher } from "./committing-cipher.ts";
import { derive } from "./derived-keys.ts";
import type { OpenedVersion } from "./key-type.ts";

const KEY_ID = Buffer.alloc(16, 0xaa);
const version = (fill: number): OpenedVersion => ({
  keyId: KEY_ID,
  version: 1,
  key: createSecretKey(Buffer.alloc(32, fill)),
});
const [ALICE, BOB] = [version(1), version(2)];
const NOTHING = Buffer.alloc(0);

test("REQ-18: a ciphertext crafted to be authentic under two keys opens under the one that it commits to, and no other", () => {
  // A real message of Alice's gives the header; its one block of data is then replaced.
  const crafted = new CommittingCipher().encrypt(ALICE, Buffer.alloc(16), NOTHING).ciphertext;
  const [header, nonce, salt] = [crafted.subarray(0, 101), crafted.subarray(89, 101), crafted.subarray(25, 57)];
  const keys = [derive(ALICE.key, salt).key, derive(BOB.key, salt).key] as const;
  crafted.set(collide(keys, nonce, header), 101);

  // AES-GCM itself takes it under both keys, so the tag is no protection.
  assert.ok(gcmOpen(keys[0], nonce, crafted.subarray(101), [header]));
  assert.ok(gcmOpen(keys[1], nonce, crafted.subarray(101), [header]));

  assert.equal(new CommittingCipher().decrypt(ALICE, crafted, NOTHING).length, 16);
  assert.throws(
    () => new CommittingCipher().decrypt(BOB, crafted, NOTHING),
    (error) => error instanceof BunkmsError && error.code === "decryption_failed",
  );
});

test("REQ-18: two keys never have one commitment under one salt, and neither do two salts of one key", () => {
  const commitments = new Set<string>();
  for (let fill = 0; fill < 1000; fill++) {
    const salt = Buffer.alloc(32, fill % 250);
    commitments.add(derive(createSecretKey(Buffer.alloc(32, Math.floor(fill / 250))), salt).commitment.toString("hex"));
  }
  assert.equal(commitments.size, 1000);
});
