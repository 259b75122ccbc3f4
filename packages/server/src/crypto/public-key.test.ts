import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findKeyType, keyTypeNames } from "./key-types.ts";
import {
  jwkSet,
  loadPublicKey,
  publicKeyJwk,
  publicKeyPem,
  publicKeySsh,
  publicKeyThumbprint,
  readPublicKeyPem,
} from "./public-key.ts";

/** A public key of each type that has one. Generating the slow ones once is enough. */
const SPKIS = new Map<string, Buffer>();
for (const name of keyTypeNames()) {
  const type = findKeyType(name);
  if (type?.loadPublic) SPKIS.set(name, (await type.generate()).publicKey);
}

/** Composed here of keys that OpenSSL knows one by one. */
const COMPOSED = ["ml-dsa-65-ed25519", "x-wing"];

const spkiOf = (jwk: object): Buffer =>
  createPublicKey({ key: jwk as never, format: "jwk" }).export({ format: "der", type: "spki" });

test("PEM is what OpenSSL reads and writes, and empty for a key without a public half", () => {
  for (const [name, spki] of SPKIS) {
    const pem = publicKeyPem(spki);
    if (COMPOSED.includes(name))
      assert.match(pem, /^-----BEGIN PUBLIC KEY-----\n(.{64}\n)+.{1,64}\n-----END PUBLIC KEY-----\n$/);
    else assert.equal(pem, loadPublicKey(spki).export({ format: "pem", type: "spki" }));
  }
  assert.equal(publicKeyPem(Buffer.alloc(0)), "");
});

test("REQ-17: PEM is read as one SubjectPublicKeyInfo in its one form, without bytes after the key", () => {
  for (const [name, spki] of SPKIS) {
    if (COMPOSED.includes(name)) continue;
    assert.ok(readPublicKeyPem(publicKeyPem(spki)).equals(loadPublicKey(spki)), name);
    const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), spki.subarray(headerLength(spki)), Buffer.of(0, 0)]);
    for (const wrong of [Buffer.concat([spki, Buffer.from("junk")]), Buffer.concat([spki, spki]), indefinite]) {
      assert.throws(() => readPublicKeyPem(publicKeyPem(wrong)), { code: "invalid_public_key" }, name);
    }
  }
});

/** Bytes before the content of a SEQUENCE. */
const headerLength = (der: Buffer): number => ((der[1] ?? 0) < 0x80 ? 2 : 2 + ((der[1] ?? 0) & 0x7f));

test("a JWK reads back as the very key, has its thumbprint as kid, and holds nothing private", () => {
  const kinds = new Map<string, string[]>();
  for (const [name, spki] of SPKIS) {
    const jwk = publicKeyJwk(spki);
    kinds.set(jwk?.kty ?? "none", [...(kinds.get(jwk?.kty ?? "none") ?? []), name]);
    if (!jwk) continue;
    assert.deepEqual(spkiOf(jwk), spki, name);
    assert.equal(jwk.kid, publicKeyThumbprint(spki));
    for (const member of ["d", "p", "q", "dp", "dq", "qi", "k", "priv"]) assert.ok(!(member in jwk), name);
  }
  assert.deepEqual(kinds.get("none"), COMPOSED);
  assert.deepEqual(kinds.get("RSA"), ["rsa-2048", "rsa-3072", "rsa-4096"]);
  assert.ok(kinds.get("EC")?.includes("ecdh-p521"));
  assert.ok(kinds.get("OKP")?.includes("x25519"));
  assert.ok(kinds.get("AKP")?.includes("ml-kem-768"));
  assert.equal(publicKeyJwk(Buffer.alloc(0)), undefined);
  assert.equal(publicKeyThumbprint(Buffer.alloc(0)), undefined);
  assert.equal(publicKeyJwk(Buffer.alloc(50)), undefined);
});

test("the coordinates of a JWK are as long as the curve's field, also with zeros in front", async () => {
  // RFC 7518 section 6.2.1.2. The first byte of a coordinate on P-521 is one bit: zero in half of all keys.
  let zeros = 0;
  for (let i = 0; i < 32; i++) {
    const { publicKey } = (await findKeyType("ecdh-p521")?.generate()) ?? assert.fail();
    const { x, y } = publicKeyJwk(publicKey) ?? assert.fail();
    for (const coordinate of [x, y].map((text) => Buffer.from(String(text), "base64url"))) {
      assert.equal(coordinate.length, 66);
      zeros += Number(coordinate[0] === 0);
    }
  }
  assert.ok(zeros > 0);
});

test("thumbprints are those of RFC 7638 section 3.1 and RFC 8037 appendix A.3", () => {
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn" +
    "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n" +
    "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const rsa = spkiOf({ kty: "RSA", n, e: "AQAB" });
  assert.equal(publicKeyThumbprint(rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  const ed25519 = spkiOf({ kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
  assert.equal(publicKeyThumbprint(ed25519), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

test("a JWK says what its caller says of the key, but never another algorithm than the key's own", () => {
  const rsa = SPKIS.get("rsa-2048") ?? assert.fail();
  const members = { kid: "orders/3", alg: "PS256", use: "sig", key_ops: ["verify"] } as const;
  const { n, e, ...said } = publicKeyJwk(rsa, members) ?? assert.fail();
  assert.ok(n && e);
  assert.deepEqual(said, { ...members, kty: "RSA" });
  const mlKem = publicKeyJwk(SPKIS.get("ml-kem-768") ?? assert.fail(), { alg: "none" });
  assert.equal(mlKem?.["alg"], "ML-KEM-768");
});

test("a JWK set holds the keys in order, without those that have no such form", () => {
  const [rsa, xWing, x25519] = ["rsa-2048", "x-wing", "x25519"].map((name) => SPKIS.get(name) ?? assert.fail());
  assert.ok(rsa && xWing && x25519);
  const { keys } = jwkSet([{ spki: rsa, members: { kid: "1" } }, { spki: xWing }, { spki: x25519 }]);
  assert.deepEqual(
    keys.map(({ kty, kid }) => [kty, kid]),
    [
      ["RSA", "1"],
      ["OKP", publicKeyThumbprint(x25519)],
    ],
  );
  assert.deepEqual(jwkSet([]), { keys: [] });
});

test("ssh-keygen reads each SSH line as the key that it is", () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-ssh-"));
  const file = join(folder, "key.pub");
  const sshKeygen = (...args: readonly string[]): string =>
    execFileSync("ssh-keygen", [...args, "-f", file], { encoding: "utf8", stdio: "pipe" });
  const formats = new Set<string>();
  try {
    for (const [name, spki] of SPKIS) {
      const line = publicKeySsh(spki);
      if (line === undefined) continue;
      const [format = "", blob = ""] = line.split(" ");
      formats.add(format);
      writeFileSync(file, `${line}\n`);
      if (format === "ssh-ed25519") {
        // It writes no other form of these keys; RFC 8032's is the end of both (RFC 8709 section 4, RFC 8410 section 4).
        assert.match(sshKeygen("-l"), /^256 SHA256:.*\(ED25519\)$/m);
        assert.deepEqual(Buffer.from(blob, "base64").subarray(-32), spki.subarray(-32));
      } else {
        assert.equal(sshKeygen("-e", "-m", "PKCS8"), publicKeyPem(spki), name);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.deepEqual([...formats].sort(), [
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-ed25519",
    "ssh-rsa",
  ]);
});

test("types that SSH has no form for have no SSH line", () => {
  for (const name of ["x25519", "x-wing", "ml-kem-768", "ed448", "ml-dsa-65", "ecdsa-secp256k1"]) {
    assert.equal(publicKeySsh(SPKIS.get(name) ?? assert.fail(name)), undefined, name);
  }
  assert.equal(publicKeySsh(Buffer.alloc(0)), undefined);
});
