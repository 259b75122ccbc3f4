import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { findKeyType } from "./key-types.ts";
import {
  KEY_WRAP_ALGORITHMS,
  kwpUnwrap,
  kwpWrap,
  MOST_WRAPPED_MATERIAL,
  unwrapImported,
  wrapForExport,
} from "./key-wrap.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;
/** The one error, whatever is wrong. */
const isUnopened = (error: unknown) =>
  isCode("invalid_key_material")(error) && (error as Error).message === "the wrapped key cannot be unwrapped";

interface KwpGroup {
  readonly tests: readonly (WycheproofCase & { readonly key: string; readonly msg: string; readonly ct: string })[];
}

test("REQ-13: AES-KWP wraps and unwraps every case of Wycheproof's aes_kwp_test as it says", () => {
  const file = readWycheproof<KwpGroup>("aes_kwp_test.json");
  const counts = { valid: 0, invalid: 0 };
  for (const { key, msg, ct, result, tcId } of file.testGroups.flatMap(({ tests }) => tests)) {
    if (result === "valid") {
      assert.equal(kwpWrap(hex(key), hex(msg)).toString("hex"), ct, `case ${tcId}`);
      assert.equal(kwpUnwrap(hex(key), hex(ct)).toString("hex"), msg, `case ${tcId}`);
      counts.valid += 1;
    } else {
      assert.throws(() => kwpUnwrap(hex(key), hex(ct)), isUnopened, `case ${tcId}`);
      counts.invalid += 1;
    }
  }
  assert.equal(counts.valid + counts.invalid, file.numberOfTests);
  assert.deepEqual(counts, { valid: 77, invalid: 177 });
});

interface OaepGroup {
  readonly privateKeyPkcs8: string;
  readonly tests: readonly (WycheproofCase & { readonly msg: string; readonly ct: string; readonly label: string })[];
}

for (const [size, offered] of [
  [2048, 28],
  [3072, 28],
  [4096, 28],
] as const) {
  test(`REQ-13: what Wycheproof encrypted by RSA-OAEP with SHA-256 to ${size} bits is imported as it says`, async (t) => {
    const file = readWycheproof<OaepGroup>(`rsa_oaep_${size}_sha256_mgf1sha256_test.json`);
    let ran = 0;
    let notOffered = 0;
    for (const { privateKeyPkcs8, tests } of file.testGroups) {
      const key = createPrivateKey({ key: hex(privateKeyPkcs8), format: "der", type: "pkcs8" });
      for (const { msg, ct, label, result, tcId } of tests) {
        const opened = unwrapImported(key, "rsa-oaep-sha256", hex(ct));
        // Labels are not offered, nor keys of no bytes.
        if (result === "valid" && (label !== "" || msg === "")) {
          await assert.rejects(opened, isUnopened, `case ${tcId}`);
          notOffered += 1;
        } else {
          if (result === "valid") assert.equal((await opened).toString("hex"), msg, `case ${tcId}`);
          else await assert.rejects(opened, isUnopened, `case ${tcId}`);
          ran += 1;
        }
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.equal(ran, offered);
    t.diagnostic(`${ran} cases, ${notOffered} with a label or empty`);
  });
}

test("what is wrapped for export is what the holder of the key unwraps, at every length that fits", async () => {
  for (const [algorithm, lengths] of [
    ["rsa-oaep-sha256", [1, 16, 32, 190]],
    ["rsa-aes-key-wrap-sha256", [1, 7, 8, 9, 16, 32, 1218, MOST_WRAPPED_MATERIAL]],
  ] as const) {
    for (const length of lengths) {
      const material = Buffer.alloc(length, 0x5a);
      const one = await wrapForExport(publicKey, algorithm, material);
      assert.deepEqual(await unwrapImported(privateKey, algorithm, one), material);
      assert.notDeepEqual(await wrapForExport(publicKey, algorithm, material), one);
    }
  }
});

test("material that an algorithm cannot take is refused, and the error names the one that can", async () => {
  const wrap = (algorithm: Parameters<typeof wrapForExport>[1], length: number) =>
    wrapForExport(publicKey, algorithm, Buffer.alloc(length));
  await assert.rejects(wrap("rsa-oaep-sha256", 191), /use rsa-aes-key-wrap-sha256/);
  await assert.rejects(wrap("rsa-oaep-sha256", 191), isCode("plaintext_too_long"));
  await assert.rejects(wrap("rsa-aes-key-wrap-sha256", MOST_WRAPPED_MATERIAL + 1), isCode("plaintext_too_long"));
});

test("keys are wrapped only to a sound RSA key, and unwrapped only by an RSA key", async () => {
  const wrap = (key: KeyObject) => wrapForExport(key, "rsa-aes-key-wrap-sha256", Buffer.alloc(32));
  const jwk = publicKey.export({ format: "jwk" });
  const withExponent = (e: Buffer) => createPublicKey({ key: { ...jwk, e: e.toString("base64url") }, format: "jwk" });
  const withModulus = (n: Buffer) => createPublicKey({ key: { ...jwk, n: n.toString("base64url") }, format: "jwk" });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const unsound = [
    generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey,
    generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey,
    withExponent(Buffer.of(1)),
    withExponent(Buffer.of(3)),
    withExponent(Buffer.of(1, 0, 2)),
    withExponent(Buffer.of(1, 0, 0, 0, 0, 0, 0, 0, 1)),
    withModulus(Buffer.alloc(256, 0xfe)),
    ec.publicKey,
    privateKey,
  ];
  for (const key of unsound) await assert.rejects(wrap(key), isCode("invalid_public_key"));
  for (const algorithm of KEY_WRAP_ALGORITHMS) {
    await assert.rejects(unwrapImported(ec.privateKey, algorithm, Buffer.alloc(256)), isCode("wrong_key_usage"));
  }
});

test("REQ-14: a wrapped key with any byte changed, or of any other length, gives one and the same error", async () => {
  const { seed, below } = seeded();
  for (const algorithm of KEY_WRAP_ALGORITHMS) {
    const wrapped = await wrapForExport(publicKey, algorithm, Buffer.alloc(32, 1));
    const wrong = [
      Buffer.alloc(0),
      wrapped.subarray(1),
      wrapped.subarray(0, -1),
      wrapped.subarray(0, -8),
      wrapped.subarray(0, 256 - 1),
      wrapped.subarray(256),
      Buffer.concat([wrapped, Buffer.alloc(1)]),
      Buffer.concat([wrapped, Buffer.alloc(8)]),
      Buffer.concat([Buffer.alloc(1), wrapped]),
      Buffer.alloc(wrapped.length, 0xff),
      Buffer.alloc(256 + MOST_WRAPPED_MATERIAL + 16),
    ];
    for (let i = 0; i < 60; i++) {
      const changed = Buffer.from(wrapped);
      const at = below(changed.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
      wrong.push(changed);
    }
    for (const bytes of wrong) {
      await assert.rejects(unwrapImported(privateKey, algorithm, bytes), isUnopened, `${algorithm}, seed ${seed}`);
    }
    // What one algorithm made, the other does not take.
    const other = KEY_WRAP_ALGORITHMS.find((name) => name !== algorithm) ?? assert.fail();
    await assert.rejects(unwrapImported(privateKey, other, wrapped), isUnopened);
  }
});

test("a temporary AES key of another size than 256 bits, and a key of no bytes, are refused", async () => {
  for (const length of [16, 24]) {
    const key = Buffer.alloc(length, 3);
    const outer = await wrapForExport(publicKey, "rsa-oaep-sha256", key);
    const wrapped = Buffer.concat([outer, kwpWrap(key, Buffer.alloc(32))]);
    await assert.rejects(unwrapImported(privateKey, "rsa-aes-key-wrap-sha256", wrapped), isUnopened);
  }
  const empty = await wrapForExport(publicKey, "rsa-oaep-sha256", Buffer.alloc(0));
  await assert.rejects(unwrapImported(privateKey, "rsa-oaep-sha256", empty), isUnopened);
});

test("keys wrapped with the openssl command are imported, and what is exported it unwraps", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-wrap-"));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): Buffer => execFileSync("openssl", args, { cwd: folder });
  const oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"].flatMap((o) => ["-pkeyopt", o]);
  const kwp = (key: Buffer) => ["enc", "-id-aes256-wrap-pad", "-K", key.toString("hex"), "-iv", "A65959A6"];
  try {
    writeFileSync(at("public.pem"), publicKey.export({ format: "pem", type: "spki" }));
    writeFileSync(at("private.pem"), privateKey.export({ format: "pem", type: "pkcs8" }));
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "key.pem");
    const pkcs8 = openssl("pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER");
    writeFileSync(at("material"), pkcs8);
    const aes = Buffer.alloc(32, 0x21);
    writeFileSync(at("aes"), aes);
    openssl(...["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "aes", "-out", "aes.wrapped"], ...oaep);
    openssl(...kwp(aes), "-in", "material", "-out", "material.wrapped");

    const outer = readFileSync(at("aes.wrapped"));
    const wrapped = Buffer.concat([outer, readFileSync(at("material.wrapped"))]);
    const material = await unwrapImported(privateKey, "rsa-aes-key-wrap-sha256", wrapped);
    assert.deepEqual(material, pkcs8);
    assert.ok(findKeyType("ecdsa-p384")?.accept("pkcs8", material));
    assert.deepEqual(await unwrapImported(privateKey, "rsa-oaep-sha256", outer), aes);

    const exported = await wrapForExport(publicKey, "rsa-aes-key-wrap-sha256", pkcs8);
    writeFileSync(at("outer"), exported.subarray(0, 256));
    writeFileSync(at("inner"), exported.subarray(256));
    const temporary = openssl(...["pkeyutl", "-decrypt", "-inkey", "private.pem", "-in", "outer"], ...oaep);
    assert.deepEqual(openssl(...kwp(temporary), "-d", "-in", "inner"), pkcs8);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("unwrapping does not hold up the event loop", async () => {
  const large = generateKeyPairSync("rsa", { modulusLength: 4096 });
  const wrapped = await wrapForExport(large.publicKey, "rsa-aes-key-wrap-sha256", Buffer.alloc(32));
  let unwrapping = true;
  const all = Promise.all(
    Array.from({ length: 20 }, () => unwrapImported(large.privateKey, "rsa-aes-key-wrap-sha256", wrapped)),
  ).then(() => {
    unwrapping = false;
  });
  let turns = 0;
  while (unwrapping) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns += 1;
  }
  await all;
  // Were they unwrapped on this thread, everything would be over in a turn or two.
  assert.ok(turns > 5);
});
