import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { encodeAdditionalData } from "./additional-data.ts";
import type { DataCipher, KeyType, OpenedVersion } from "./key-type.ts";
import { findKeyType } from "./key-types.ts";

const row = (size: number): KeyType => findKeyType(`rsa-${size}`) ?? assert.fail("no type");
const opened = (key: KeyObject): OpenedVersion => ({ keyId: Buffer.alloc(16, 7), version: 1, key });
const raw = (bytes: Uint8Array): Buffer => encodeAdditionalData({ kind: "raw", bytes });
const isFailure = (error: unknown) => error instanceof BunkmsError && error.code === "decryption_failed";
const bare = (cipher: DataCipher, version: OpenedVersion, data: Uint8Array, aad: Uint8Array): Promise<Buffer> =>
  cipher.decryptBare?.(version, data, aad) ?? assert.fail("the cipher takes no bare ciphertext");

interface OaepGroup {
  readonly keySize: number;
  readonly sha: string;
  readonly mgfSha: string;
  readonly privateKeyPkcs8: string;
  readonly tests: readonly (WycheproofCase & Record<"msg" | "ct" | "label", string>)[];
}

/** Wycheproof's files that have groups of our sizes and hashes, and how many of their cases those are. */
const FILES: Readonly<Record<string, number>> = {
  rsa_oaep_2048_sha1_mgf1sha1_test: 36,
  rsa_oaep_2048_sha256_mgf1sha256_test: 37,
  rsa_oaep_2048_sha384_mgf1sha384_test: 34,
  rsa_oaep_2048_sha512_mgf1sha512_test: 33,
  rsa_oaep_3072_sha256_mgf1sha256_test: 37,
  rsa_oaep_3072_sha512_mgf1sha512_test: 33,
  rsa_oaep_4096_sha256_mgf1sha256_test: 37,
  rsa_oaep_4096_sha512_mgf1sha512_test: 36,
  rsa_oaep_misc_test: 36,
  rsa_three_primes_oaep_2048_sha1_mgf1sha1_test: 36,
  rsa_three_primes_oaep_4096_sha256_mgf1sha256_test: 36,
};

for (const [name, cases] of Object.entries(FILES)) {
  test(`REQ-13: RSA-OAEP agrees with the Wycheproof vectors of ${name}`, async (t) => {
    const file = readWycheproof<OaepGroup>(`${name}.json`);
    let ran = 0;
    // Other sizes and hashes, and hashes for MGF1 other than OAEP's own, are not offered.
    let notOffered = 0;
    for (const group of file.testGroups) {
      const cipher = group.sha === group.mgfSha ? cipherOf(group) : undefined;
      if (!cipher) {
        notOffered += group.tests.length;
        continue;
      }
      const version = opened(row(group.keySize).load(hex(group.privateKeyPkcs8)));
      for (const { ct, label, msg, result, tcId } of group.tests) {
        const decrypted = bare(cipher, version, hex(ct), raw(hex(label)));
        if (result === "invalid") await assert.rejects(decrypted, isFailure, `case ${tcId}`);
        else assert.equal((await decrypted).toString("hex"), msg, `case ${tcId}`);
        ran += 1;
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.equal(ran, cases);
    t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
  });
}

function cipherOf({ keySize, sha }: OaepGroup): DataCipher | undefined {
  const name = `rsa-oaep-${sha.toLowerCase().replace("-", "")}`;
  return findKeyType(`rsa-${keySize}`)?.ciphers?.find((cipher) => cipher.name === name);
}

for (const size of [2048, 3072, 4096]) {
  test(`OpenSSL's command line decrypts what rsa-${size} encrypts, and the other way round, with and without a label`, async () => {
    const { material, publicKey } = await row(size).generate();
    const version = opened(row(size).load(material));
    const folder = mkdtempSync(join(tmpdir(), "bunkms-oaep-"));
    const file = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(folder, name), content, { mode: 0o600 });
      return join(folder, name);
    };
    try {
      const spki = createPublicKey({ key: publicKey, format: "der", type: "spki" });
      const publicFile = file("public.pem", spki.export({ format: "pem", type: "spki" }));
      const privateFile = file("private.pem", version.key.export({ format: "pem", type: "pkcs8" }));
      for (const cipher of row(size).ciphers ?? []) {
        for (const label of ["", "invoice 17"]) {
          const options = opensslOptions(cipher, label);
          const { data } = await cipher.encrypt(version, Buffer.from("attack at dawn"), raw(Buffer.from(label)));
          const theirs = ["-decrypt", "-inkey", privateFile, "-in", file("in", data), ...options];
          assert.equal(execFileSync("openssl", ["pkeyutl", ...theirs]).toString(), "attack at dawn");
          const made = ["-encrypt", "-pubin", "-inkey", publicFile, "-in", file("in", "retreat"), ...options];
          const ciphertext = execFileSync("openssl", ["pkeyutl", ...made]);
          assert.equal((await bare(cipher, version, ciphertext, raw(Buffer.from(label)))).toString(), "retreat");
          await assert.rejects(bare(cipher, version, ciphertext, raw(Buffer.from("another label"))), isFailure);
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function opensslOptions({ name }: DataCipher, label: string): string[] {
  const hash = name.slice("rsa-oaep-".length);
  const options = ["rsa_padding_mode:oaep", `rsa_oaep_md:${hash}`, `rsa_mgf1_md:${hash}`];
  if (label !== "") options.push(`rsa_oaep_label:${Buffer.from(label).toString("hex")}`);
  return options.flatMap((option) => ["-pkeyopt", option]);
}
