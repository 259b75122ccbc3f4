import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { hex, readWycheproof, type WycheproofCase } from "../../../../../test/vectors/wycheproof.ts";
import { equal } from "../kdf.ts";
import { findKeyType } from "../key-types.ts";
import { HMAC_TYPES } from "./hmac.ts";

const isRefused = (error: unknown) => error instanceof BunkmsError && error.code === "invalid_key_material";

interface Group {
  /** In bits. */
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly (WycheproofCase & { readonly key: string; readonly msg: string; readonly tag: string })[];
}

/** [type, how many cases are of whole codes and of keys from 16 bytes on] */
const OFFERED: readonly (readonly [string, number])[] = [
  ["hmac-sha224", 84],
  ["hmac-sha256", 87],
  ["hmac-sha384", 87],
  ["hmac-sha512", 87],
  ["hmac-sha3-224", 84],
  ["hmac-sha3-256", 87],
  ["hmac-sha3-384", 87],
  ["hmac-sha3-512", 87],
];

for (const [name, offered] of OFFERED) {
  test(`REQ-13: every case of Wycheproof for ${name} is judged rightly`, (t) => {
    const file = readWycheproof<Group>(`${name.replaceAll("-", "_")}_test.json`);
    const { accept, load, mac } = findKeyType(name) ?? assert.fail("no such type");
    assert.ok(mac);
    let ran = 0;
    let notOffered = 0;
    for (const { keySize, tagSize, tests } of file.testGroups) {
      for (const { key, msg, tag, result, tcId } of tests) {
        if (keySize < 128) {
          assert.throws(() => accept("raw", hex(key)), isRefused);
          notOffered += 1;
        } else if (tagSize !== 8 * mac.length) {
          notOffered += 1;
        } else {
          const code = mac.make(load(accept("raw", hex(key)).material), hex(msg));
          assert.equal(equal(code, hex(tag)), result === "valid", `case ${tcId}`);
          ran += 1;
        }
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.equal(ran, offered);
    t.diagnostic(`${ran} cases, ${notOffered} of shorter keys or codes`);
  });
}

test("a generated HMAC key is as long as the code, fresh, and makes codes", async () => {
  for (const type of HMAC_TYPES) {
    const { material, publicKey } = await type.generate();
    assert.equal(material.length, type.mac?.length);
    assert.equal(publicKey.length, 0);
    assert.notDeepEqual((await type.generate()).material, material);
    const message = Buffer.from("a message");
    const expected = createHmac(type.name.slice("hmac-".length), material).update(message).digest();
    assert.deepEqual(type.mac?.make(type.load(material), message), expected);
    assert.equal(expected.length, type.mac?.length);
  }
});

test("HMAC keys of 16 to 1024 bytes are imported as raw bytes, no others and no other way", () => {
  for (const { accept, load } of HMAC_TYPES) {
    for (const length of [16, 17, 64, 1024]) {
      const given = Buffer.alloc(length, 7);
      const { material } = accept("raw", given);
      assert.deepEqual(material, given);
      given.fill(0);
      assert.deepEqual(load(material).export(), material);
    }
    for (const length of [0, 15, 1025]) assert.throws(() => accept("raw", Buffer.alloc(length)), isRefused);
    assert.throws(() => accept("pkcs8", Buffer.alloc(32)), isRefused);
    assert.throws(() => load(Buffer.alloc(15)), /not a key of type/);
  }
});
