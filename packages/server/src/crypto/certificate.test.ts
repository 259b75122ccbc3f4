import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { isCertificateOf } from "./certificate.ts";

test("a certificate is of its own private key, and of no other of the same or another kind", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-certificate-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = await makeAuthority(folder);
  const names = ["ec-1", "ec-2", "rsa-1", "rsa-2"];
  const pairs = await Promise.all(
    names.map(async (name) => {
      const files = await authority.issue(name, name.startsWith("ec") ? "ec" : "rsa");
      return { name, cert: readFileSync(files.cert), key: readFileSync(files.key) };
    }),
  );
  for (const { name, cert } of pairs) {
    const chain = Buffer.concat([cert, Buffer.from(authority.pem)]);
    for (const other of pairs) {
      assert.equal(isCertificateOf(chain, other.key), other.name === name, `${name} ${other.name}`);
    }
  }
  const [{ cert, key }] = pairs as [(typeof pairs)[number]];
  assert.equal(isCertificateOf(Buffer.concat([Buffer.from(authority.pem), cert]), key), false);
  for (const [noCert, noKey] of [
    [key, key],
    [cert, cert],
    [Buffer.alloc(0), key],
    [cert, Buffer.alloc(0)],
    [cert.subarray(0, 300), key],
    [cert, key.subarray(0, 100)],
    [Buffer.from("canary"), key],
  ] as const) {
    assert.throws(
      () => isCertificateOf(noCert, noKey),
      (error) => error instanceof Error && !/canary|BEGIN/.test(error.message),
    );
  }
});
