import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { hex } from "../../../../test/vectors/wycheproof.ts";
import { aeadOpen } from "./aead.ts";
import { HPKE_OVERHEAD, HPKE_SUITE, hpkeKeySchedule, hpkeOpen, hpkeSeal, recipientFrom, recipientOf } from "./hpke.ts";
import { randomBytes } from "./random.ts";
import { X_WING_TYPE } from "./types/x-wing.ts";

const INFO = Buffer.from("a test");
const AAD = Buffer.from("header");
const seedOf = (bytes = randomBytes(32)) => createSecretKey(bytes);

test("REQ-13: the key schedule is that of RFC 9180 appendix A.1.1, and opens its first message", () => {
  // The appendix has no example with HKDF-SHA-256 and AES-256-GCM; the schedule differs by the suite's numbers alone.
  const suite = { kem: 0x0020, aead: 0x0001, aeadName: "aes-128-gcm", keyLength: 16 } as const;
  const sharedSecret = hex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
  const { key, baseNonce } = hpkeKeySchedule(suite, sharedSecret, hex("4f6465206f6e2061204772656369616e2055726e"));
  assert.equal(key.toString("hex"), "4531685d41d65f03dc48f6b8302c05b0");
  assert.equal(baseNonce.toString("hex"), "56d890e5accaaf011cff4b7d");
  const sealed = hex("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a");
  const opened = aeadOpen(suite.aeadName, key, baseNonce, sealed, [hex("436f756e742d30")]);
  assert.equal(opened?.toString(), "Beauty is truth, truth beauty");
});

test("REQ-13: the key schedule with a pre-shared key is that of RFC 9180 appendix A.1.2, and opens its first message", () => {
  const suite = { kem: 0x0020, aead: 0x0001, aeadName: "aes-128-gcm", keyLength: 16 } as const;
  const sharedSecret = hex("727699f009ffe3c076315019c69648366b69171439bd7dd0807743bde76986cd");
  const psk = {
    key: hex("0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82"),
    id: hex("456e6e796e20447572696e206172616e204d6f726961"),
  };
  const { key, baseNonce } = hpkeKeySchedule(suite, sharedSecret, hex("4f6465206f6e2061204772656369616e2055726e"), psk);
  assert.equal(key.toString("hex"), "15026dba546e3ae05836fc7de5a7bb26");
  assert.equal(baseNonce.toString("hex"), "9518635eba129d5ce0914555");
  const sealed = hex("e52c6fed7f758d0cf7145689f21bc1be6ec9ea097fef4e959440012f4feb73fb611b946199e681f4cfc34db8ea");
  const opened = aeadOpen(suite.aeadName, key, baseNonce, sealed, [hex("436f756e742d30")]);
  assert.equal(opened?.toString(), "Beauty is truth, truth beauty");
});

test("REQ-13: KEM and key schedule are those of the vectors of draft-ietf-hpke-pq for X-Wing", () => {
  const file = new URL("../../../../test/vectors/hpke-x-wing.json", import.meta.url);
  const { vector } = JSON.parse(readFileSync(file, "utf8")) as {
    vector: Record<"info" | "skRm" | "pkRm" | "enc" | "shared_secret" | "key" | "base_nonce", string> & {
      kem_id: number;
      aead_id: number;
      first: Record<"aad" | "pt" | "ct", string>;
    };
  };
  assert.equal(vector.kem_id, HPKE_SUITE.kem);
  const seed = seedOf(hex(vector.skRm));
  assert.equal(recipientOf(seed).spki.toString("hex").endsWith(vector.pkRm), true);
  const own = X_WING_TYPE.load(seed.export());
  const sharedSecret = X_WING_TYPE.encapsulation?.decapsulate(own, hex(vector.enc)) ?? assert.fail();
  assert.equal(sharedSecret.toString("hex"), vector.shared_secret);
  const suite = { ...HPKE_SUITE, aead: vector.aead_id, aeadName: "chacha20-poly1305" } as const;
  const { key, baseNonce } = hpkeKeySchedule(suite, sharedSecret, hex(vector.info));
  assert.equal(key.toString("hex"), vector.key);
  assert.equal(baseNonce.toString("hex"), vector.base_nonce);
  const { aad, pt, ct } = vector.first;
  assert.equal(aeadOpen(suite.aeadName, key, baseNonce, hex(ct), [hex(aad)])?.toString("hex"), pt);
});

test("what is sealed to a recipient is opened by its seed, each time afresh, and by nobody else", () => {
  const seed = seedOf();
  const recipient = recipientOf(seed);
  for (const length of [0, 1, 32, 100_000]) {
    const message = randomBytes(length);
    const sealed = hpkeSeal(recipient, INFO, AAD, message);
    assert.equal(sealed.length, HPKE_OVERHEAD + length);
    assert.notDeepEqual(hpkeSeal(recipientFrom(recipient.spki), INFO, AAD, message), sealed);
    assert.deepEqual(hpkeOpen(seed, INFO, AAD, sealed), message);
    assert.equal(hpkeOpen(seedOf(), INFO, AAD, sealed), undefined);
    assert.equal(hpkeOpen(seed, Buffer.from("another use"), AAD, sealed), undefined);
    assert.equal(hpkeOpen(seed, INFO, Buffer.from("header!"), sealed), undefined);
  }
});

test("REQ-14: what is sealed with a pre-shared key opens with it alone: not with another, under another id, or in base mode", () => {
  const seed = seedOf();
  const recipient = recipientOf(seed);
  const psk = { key: randomBytes(32), id: Buffer.from("id") };
  const message = randomBytes(32);
  const sealed = hpkeSeal(recipient, INFO, AAD, message, psk);
  assert.equal(sealed.length, HPKE_OVERHEAD + 32);
  assert.deepEqual(hpkeOpen(seed, INFO, AAD, sealed, psk), message);
  assert.equal(hpkeOpen(seed, INFO, AAD, sealed), undefined);
  assert.equal(hpkeOpen(seed, INFO, AAD, sealed, { ...psk, key: randomBytes(32) }), undefined);
  assert.equal(hpkeOpen(seed, INFO, AAD, sealed, { ...psk, id: Buffer.from("id!") }), undefined);
  assert.equal(hpkeOpen(seed, INFO, AAD, hpkeSeal(recipient, INFO, AAD, message), psk), undefined);
});

test("a pre-shared key that is short, or has no id, is refused, and never falls back to base mode", () => {
  const seed = seedOf();
  const sealed = hpkeSeal(recipientOf(seed), INFO, AAD, Buffer.from("message"));
  const id = Buffer.from("id");
  for (const psk of [
    { key: Buffer.alloc(0), id: Buffer.alloc(0) },
    { key: Buffer.alloc(0), id },
    { key: randomBytes(31), id },
    { key: randomBytes(32), id: Buffer.alloc(0) },
  ]) {
    assert.throws(() => hpkeSeal(recipientOf(seed), INFO, AAD, Buffer.from("message"), psk), RangeError);
    assert.throws(() => hpkeOpen(seed, INFO, AAD, sealed, psk), RangeError);
  }
});

test("REQ-14: any changed bit, a cut and a longer message do not open", () => {
  const { seed: random, below } = seeded();
  const seed = seedOf();
  const sealed = hpkeSeal(recipientOf(seed), INFO, AAD, Buffer.from("message"));
  const wrong = [0, 1, 1119, 1120, HPKE_OVERHEAD - 1, sealed.length - 1].map((length) => sealed.subarray(0, length));
  wrong.push(Buffer.concat([sealed, Buffer.alloc(1)]));
  for (let i = 0; i < 300; i++) {
    const changed = Buffer.from(sealed);
    const at = below(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
    wrong.push(changed);
  }
  for (const bytes of wrong) assert.equal(hpkeOpen(seed, INFO, AAD, bytes), undefined, `seed ${random}`);
});

test("a recipient's key that is none is refused as such", () => {
  const { spki } = recipientOf(seedOf());
  const off = Buffer.from(spki).fill(0xff, 24, 24 + 1184);
  const smallOrder = Buffer.from(spki).fill(0, 24 + 1184);
  for (const wrong of [
    Buffer.alloc(0),
    spki.subarray(1),
    spki.subarray(24),
    Buffer.alloc(spki.length),
    off,
    smallOrder,
  ]) {
    assert.throws(
      () => hpkeSeal(recipientFrom(wrong), INFO, AAD, Buffer.alloc(1)),
      (error) => error instanceof BunkmsError && error.code === "invalid_public_key",
    );
  }
});
