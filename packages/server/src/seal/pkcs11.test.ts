import assert from "node:assert/strict";
import { test } from "node:test";
import { MECHANISMS } from "./pkcs11/mechanisms.ts";
import { PinRefused, PKCS11_MECHANISMS } from "./pkcs11/order.ts";
import { checkPinFlags } from "./pkcs11/token.ts";
import { type Pkcs11Options, pkcs11Seal } from "./pkcs11.ts";
import { SealFailure } from "./seal.ts";

const OPTIONS: Pkcs11Options = {
  module: "/usr/lib/module.so",
  token: "vault",
  keyLabel: "root",
  readPin: () => assert.fail("nobody asked for the PIN"),
};

test("a seal is made without asking for the PIN or the token, and says which key it is", async () => {
  const seal = await pkcs11Seal({ ...OPTIONS, keyId: "0A" });
  assert.equal(seal.kind, "pkcs11");
  assert.equal(seal.keyName, "key root (id 0a) on token vault");
  await seal.close();
  const longest = { token: "t".repeat(32), keyLabel: "l".repeat(128), keyId: "ab".repeat(32) };
  assert.ok((await pkcs11Seal({ ...OPTIONS, ...longest })).keyName.length <= 256);
});

const MALFORMED: readonly Partial<Record<keyof Pkcs11Options, unknown>>[] = [
  { module: "module.so" },
  { module: "" },
  { module: "/usr/lib/a\0b.so" },
  { token: "" },
  { token: "serial:" },
  { token: "t".repeat(33) },
  { token: "a\nb" },
  { keyLabel: "" },
  { keyLabel: "l".repeat(129) },
  { keyId: "0" },
  { keyId: "xy" },
  { keyId: "00".repeat(33) },
  { mechanism: "aes-cbc" },
  { mechanism: "__proto__" },
  { timeoutMs: 99 },
  { timeoutMs: 600_001 },
  { timeoutMs: 1000.5 },
  { timeoutMs: Number.NaN },
];

for (const changes of MALFORMED) {
  test(`options with ${JSON.stringify(changes).slice(0, 60)} are refused`, async () => {
    await assert.rejects(pkcs11Seal(Object.assign({ ...OPTIONS }, changes)), SealFailure);
  });
}

test("each mechanism that may be set has one row and a number of its own", () => {
  assert.deepEqual(
    MECHANISMS.map(({ name }) => name),
    [...PKCS11_MECHANISMS],
  );
  assert.equal(new Set(MECHANISMS.map(({ number }) => number)).size, MECHANISMS.length);
});

test("a token at its last try, or locked, is not given the PIN", () => {
  const info = { label: "vault", serial: "1" };
  checkPinFlags({ ...info, flags: 0x1_040dn });
  assert.throws(() => checkPinFlags({ ...info, flags: 0x2_040dn }), {
    name: PinRefused.name,
    message: /one more wrong PIN would lock it/,
  });
  assert.throws(() => checkPinFlags({ ...info, flags: 0x4_040dn }), { name: PinRefused.name, message: /is locked/ });
});
