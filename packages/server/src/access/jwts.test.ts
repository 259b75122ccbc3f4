import assert from "node:assert/strict";
import { createHmac, createSecretKey, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { parseStrictJson } from "../api/strict-json.ts";
import { type JwtRules, Jwts } from "./jwts.ts";
import type { TokenInfo } from "./tokens.ts";

const SECRET = Buffer.from("a secret of the tests, 32 bytes and some more");
const NOW = Date.parse("2026-11-28T12:00:00Z");
const S = NOW / 1000;
const HEADER = '{"alg":"HS256","typ":"JWT"}';
const CLAIMS = { sub: "tenant-auth", role: "operator", iat: S, exp: S + 3600 };

function jwts(rules: Partial<JwtRules> = {}): Jwts {
  return new Jwts({ key: createSecretKey(SECRET), maxTtl: 86_400, parseJson: parseStrictJson, ...rules });
}

const encoded = (text: string): string => Buffer.from(text).toString("base64url");

/** Signed as it is: nothing else may be wrong with it than what a test is about. */
function token(payload: object | string = CLAIMS, header = HEADER, secret = SECRET, hash = "sha256"): string {
  const signed = `${encoded(header)}.${encoded(typeof payload === "string" ? payload : JSON.stringify(payload))}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest("base64url")}`;
}

function refused(text: string, what: string, verifier = jwts(), now = NOW): void {
  assert.throws(
    () => verifier.authenticate(text, now),
    (error) => error instanceof BunkmsError && error.code === "unauthenticated" && error.cause === undefined,
    what,
  );
}

test("a caller is the token's subject with its role, under an id that does not change", () => {
  const caller = jwts().authenticate(token(), NOW);
  assert.deepEqual(caller, {
    id: "f8ba24e1216fc2a0c988e4562062fa64",
    name: "jwt:tenant-auth",
    role: "operator",
    createdAt: NOW,
    expiresAt: NOW + 3_600_000,
  });
  const later = jwts().authenticate(token({ ...CLAIMS, iat: S + 10, exp: S + 20 }), NOW + 10_000);
  assert.equal(later.id, caller.id);
  const others = [{ sub: "tenant-auth2" }, { role: "admin" }, { sub: "operator", role: "reader" }];
  const ids = others.map((other) => jwts().authenticate(token({ ...CLAIMS, ...other }), NOW).id);
  assert.equal(new Set([caller.id, ...ids]).size, 4);
});

const HEADERS: Readonly<Record<string, string>> = {
  none: '{"alg":"none","typ":"JWT"}',
  "None with another case": '{"alg":"NONE"}',
  "an empty algorithm": '{"alg":""}',
  "no algorithm": '{"typ":"JWT"}',
  HS512: '{"alg":"HS512","typ":"JWT"}',
  RS256: '{"alg":"RS256","typ":"JWT"}',
  "another case of HS256": '{"alg":"hs256","typ":"JWT"}',
  "a list of algorithms": '{"alg":["HS256"],"typ":"JWT"}',
  crit: '{"alg":"HS256","crit":["exp"]}',
  b64: '{"alg":"HS256","b64":false,"crit":["b64"]}',
  "a key of its own": `{"alg":"HS256","jwk":{"kty":"oct","k":"${encoded("x")}"}}`,
  "the address of a key": '{"alg":"HS256","jku":"https://attacker.example/keys"}',
  "the name of a key": '{"alg":"HS256","kid":"../../dev/null"}',
  "another type": '{"alg":"HS256","typ":"at+jwt"}',
  "alg twice": '{"alg":"none","alg":"HS256"}',
  "no object": '["HS256"]',
  "no JSON": "HS256",
  nothing: "null",
};

test("REQ-34: only HS256 is taken, and nothing from the token's own header", () => {
  for (const [what, header] of Object.entries(HEADERS)) {
    refused(token(CLAIMS, header), what);
  }
});

test("REQ-34: a token that is unsigned, signed otherwise or with something public is refused", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = publicKey.export({ format: "pem", type: "spki" }) as string;
  const signed = token().split(".").slice(0, 2).join(".");
  const rs256 = `${encoded(HEADERS["RS256"] as string)}.${encoded(JSON.stringify(CLAIMS))}`;
  for (const [what, text] of Object.entries({
    "no signature": `${signed}.`,
    "an empty part": `${signed}..`,
    "no third part": signed,
    "none, without a signature": `${encoded(HEADERS["none"] as string)}.${encoded(JSON.stringify(CLAIMS))}.`,
    "HS512 of the same secret": token(CLAIMS, HEADERS["HS512"], SECRET, "sha512"),
    "HMAC-SHA-512 that says HS256": token(CLAIMS, HEADER, SECRET, "sha512"),
    "half of the signature": token().slice(0, -22),
    "another secret": token(CLAIMS, HEADER, Buffer.from("another secret, of 32 bytes or more")),
    "the empty secret": token(CLAIMS, HEADER, Buffer.alloc(0)),
    "a public key as the secret": token(CLAIMS, HEADER, Buffer.from(pem)),
    "RS256 with a key of one's own": `${rs256}.${sign("sha256", Buffer.from(rs256), privateKey).toString("base64url")}`,
    padding: `${token()}=`,
    "standard base64": token().replace(
      /\.([^.]*)$/,
      (_, last) => `.${last.replaceAll("-", "+").replaceAll("_", "/")}+`,
    ),
    "more than 2,048 characters": token({ ...CLAIMS, more: "x".repeat(2048) }),
    "a token of the vault": "bkms_s_123",
    nothing: "",
  })) {
    refused(text, what);
  }
});

const CLAIMS_REFUSED: Readonly<Record<string, object | string>> = {
  "no exp": { ...CLAIMS, exp: undefined },
  "exp as text": { ...CLAIMS, exp: String(S + 60) },
  "exp null": { ...CLAIMS, exp: null },
  "exp negative": { ...CLAIMS, exp: -1 },
  "exp beyond all times": `{"sub":"a","role":"admin","exp":1e300}`,
  "exp that is no number": `{"sub":"a","role":"admin","exp":1e400}`,
  "exp in milliseconds": { ...CLAIMS, exp: NOW + 60_000 },
  "exp twice": `{"sub":"a","role":"admin","exp":1,"exp":${S + 60}}`,
  expired: { ...CLAIMS, exp: S - 31 },
  "expired just now, with the clocks' difference": { ...CLAIMS, exp: S - 30 },
  "a longer life than the bound": { ...CLAIMS, exp: S + 86_401 },
  "a longer life than the bound, half of it over": { ...CLAIMS, iat: S - 50_000, exp: S + 50_000 },
  "a longer life than the bound, without iat": { ...CLAIMS, iat: undefined, exp: S + 86_401 },
  "iat as text": { ...CLAIMS, iat: "1" },
  "iat in the future": { ...CLAIMS, iat: S + 31 },
  "not yet": { ...CLAIMS, nbf: S + 31 },
  "nbf as text": { ...CLAIMS, nbf: "1" },
  "no role": { ...CLAIMS, role: undefined },
  "an unknown role": { ...CLAIMS, role: "superuser" },
  root: { ...CLAIMS, role: "root" },
  "Admin in another case": { ...CLAIMS, role: "Admin" },
  "a role with a space": { ...CLAIMS, role: "admin " },
  "a role of prototypes": { ...CLAIMS, role: "__proto__" },
  "several roles": { ...CLAIMS, role: ["admin"] },
  "role twice": `{"sub":"a","role":"reader","role":"admin","exp":${S + 60}}`,
  "role twice, once escaped": `{"sub":"a","role":"reader","\\u0072ole":"admin","exp":${S + 60}}`,
  "no subject": { ...CLAIMS, sub: undefined },
  "an empty subject": { ...CLAIMS, sub: "" },
  "a subject that is no text": { ...CLAIMS, sub: 1 },
  "a long subject": { ...CLAIMS, sub: "s".repeat(129) },
  "a subject with a line end": { ...CLAIMS, sub: "a\nb" },
  "a subject that reads backwards": { ...CLAIMS, sub: "a\u202eb" },
  "a lone surrogate": `{"sub":"\\ud800","role":"admin","exp":${S + 60}}`,
  "an audience, and this server has no name": { ...CLAIMS, aud: "kms" },
  "no object": "[]",
  "no JSON": "{",
  "two objects": "{}{}",
};

test("REQ-34: claims that are missing, malformed, out of time or unknown are refused, with one and the same error", () => {
  for (const [what, claims] of Object.entries(CLAIMS_REFUSED)) {
    refused(token(claims), what);
  }
});

test("REQ-34: clocks may differ by 30 seconds, and a token's end is noticed while its call is under way", () => {
  const verifier = jwts();
  const caller = verifier.authenticate(token({ ...CLAIMS, iat: S + 30, nbf: S + 30, exp: S + 90 }), NOW);
  assert.equal(verifier.isCurrent(caller, NOW + 119_999), true);
  assert.equal(verifier.isCurrent(caller, NOW + 120_000), false);
  assert.equal(verifier.isCurrent({ ...caller } as TokenInfo, NOW), undefined);
  verifier.authenticate(token({ ...CLAIMS, exp: S - 29.5 }), NOW);
  verifier.authenticate(token({ sub: "a", role: "reader", exp: S + 86_400 }), NOW);
});

test("REQ-34: an issuer and an audience that the settings name are required", () => {
  const named = jwts({ issuer: "bunbase", audience: "kms" });
  const right = { ...CLAIMS, iss: "bunbase", aud: "kms" };
  assert.equal(named.authenticate(token(right), NOW).role, "operator");
  assert.equal(named.authenticate(token({ ...right, aud: ["other", "kms"] }), NOW).role, "operator");
  for (const [what, claims] of Object.entries({
    "no issuer": { ...right, iss: undefined },
    "another issuer": { ...right, iss: "bunbase2" },
    "no audience": { ...right, aud: undefined },
    "another audience": { ...right, aud: "kms2" },
    "audiences of others": { ...right, aud: ["a", "b"] },
    "an audience that only looks so": { ...right, aud: { 0: "kms" } },
  })) {
    refused(token(claims), what, named);
  }
});
