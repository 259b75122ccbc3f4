import { createPublicKey, type KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { sha256 } from "./hash.ts";

/** Opens a SubjectPublicKeyInfo (RFC 5280 section 4.1), DER. */
export function loadPublicKey(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
}

/** A SubjectPublicKeyInfo as PEM text (RFC 7468 section 13); empty for an empty one. */
export function publicKeyPem(spki: Uint8Array): string {
  if (spki.length === 0) {
    return "";
  }
  const lines = Buffer.from(spki)
    .toString("base64")
    .match(/.{1,64}/g) as string[];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}

const PEM = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/;

/**
 * Opens a SubjectPublicKeyInfo as PEM text, as a caller gives it. Of the forms that OpenSSL would take it is the only
 * one: neither a certificate, whose dates nobody would check, nor a private key, nor other bytes than OpenSSL would write for the
 * key.
 *
 * @throws BunkmsError `invalid_public_key`
 */
export function readPublicKeyPem(pem: string): KeyObject {
  const [, base64 = ""] = PEM.exec(pem.trim()) ?? [];
  const spki = Buffer.from(base64, "base64");
  try {
    const key = loadPublicKey(spki);
    // OpenSSL reads other encodings of a key, too, and leaves alone what comes after it.
    if (spki.equals(key.export({ format: "der", type: "spki" }))) return key;
  } catch {
    // No key at all: refused below.
  }
  throw new BunkmsError("invalid_public_key", "the public key is not a SubjectPublicKeyInfo as PEM");
}

/** What a JWK says of its key beside the key (RFC 7517 section 4). */
export interface JwkMembers {
  /** Absent: the key's thumbprint. */
  readonly kid?: string;
  /** For example `PS256`. Not for keys of `kty` AKP, which say it themselves. */
  readonly alg?: string;
  readonly use?: "sig" | "enc";
  readonly key_ops?: readonly string[];
}

/** A public key as JWK. */
export interface PublicJwk extends JwkMembers {
  readonly kty: string;
  readonly kid: string;
  /** The key's own members: for example `crv` and `x`. */
  readonly [member: string]: string | readonly string[] | undefined;
}

/** A JWK set (RFC 7517 section 5). */
export interface JwkSet {
  readonly keys: readonly PublicJwk[];
}

/** The members that make a key, by its `kty`, in the order of RFC 7638 section 3.3. */
const REQUIRED: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["EC", ["crv", "kty", "x", "y"]],
  ["RSA", ["e", "kty", "n"]],
  ["OKP", ["crv", "kty", "x"]],
  ["AKP", ["alg", "kty", "pub"]],
]);

/**
 * A SubjectPublicKeyInfo as JWK (RFC 7517): RSA and NIST curves (RFC 7518 section 6), secp256k1 (RFC 8812), Edwards and
 * Montgomery curves (RFC 8037), and as `kty` AKP what is post-quantum (draft-ietf-cose-dilithium and its siblings).
 *
 * @returns undefined for an empty one, and for a type that has no such form.
 */
export function publicKeyJwk(spki: Uint8Array, members: JwkMembers = {}): PublicJwk | undefined {
  const key = keyMembersOf(spki);
  // The key's own members come last: nobody's `alg` overrides that of a key for one algorithm only.
  return key && { ...members, kid: members.kid ?? thumbprintOf(key), ...key };
}

/**
 * The SHA-256 thumbprint of a key, base64url without padding (RFC 7638; RFC 8037 section 2).
 *
 * @returns undefined where {@link publicKeyJwk} is.
 */
export function publicKeyThumbprint(spki: Uint8Array): string | undefined {
  const key = keyMembersOf(spki);
  return key && thumbprintOf(key);
}

/** A document of several keys. Those of types without a JWK are left out. */
export function jwkSet(keys: Iterable<{ readonly spki: Uint8Array; readonly members?: JwkMembers }>): JwkSet {
  return { keys: [...keys].flatMap(({ spki, members }) => publicKeyJwk(spki, members) ?? []) };
}

/** What makes a key, and nothing else. */
interface KeyMembers {
  readonly kty: string;
  readonly [member: string]: string;
}

/** A type that OpenSSL does not know (X-Wing) has no JWK; that a key is stored says that it is well-formed. */
function keyMembersOf(spki: Uint8Array): KeyMembers | undefined {
  let jwk: Readonly<Record<string, unknown>>;
  try {
    jwk = { ...loadPublicKey(spki).export({ format: "jwk" }) };
  } catch {
    return undefined;
  }
  const { kty } = jwk;
  const names = REQUIRED.get(kty);
  if (typeof kty !== "string" || !names) return undefined;
  return { kty, ...Object.fromEntries(names.map((name) => [name, String(jwk[name])])) };
}

function thumbprintOf(key: KeyMembers): string {
  const names = REQUIRED.get(key.kty) ?? [];
  // Values are base64url or registered names, so JSON has nothing to escape in them.
  return sha256(Buffer.from(JSON.stringify(key, [...names]))).toString("base64url");
}

/** What RFC 5656 section 6.1 calls the curves. */
const SSH_CURVES: ReadonlyMap<unknown, string> = new Map([
  ["P-256", "nistp256"],
  ["P-384", "nistp384"],
  ["P-521", "nistp521"],
]);

/**
 * A SubjectPublicKeyInfo as the one line that `authorized_keys` takes, without comment and line end: RSA (RFC 4253
 * section 6.6), NIST curves (RFC 5656 section 3.1) and Ed25519 (RFC 8709 section 4).
 *
 * @returns undefined for an empty one, and for a type that SSH has no form for.
 */
export function publicKeySsh(spki: Uint8Array): string | undefined {
  const fields = sshFields(keyMembersOf(spki));
  if (!fields) return undefined;
  return `${fields[0]} ${Buffer.concat(fields.map(sshString)).toString("base64")}`;
}

/** The fields of a key blob; the first is its format's name. */
function sshFields(key: KeyMembers | undefined): readonly [string, ...(string | Buffer)[]] | undefined {
  const bytes = (member: string): Buffer => Buffer.from(key?.[member] ?? "", "base64url");
  const curve = SSH_CURVES.get(key?.["crv"]);
  if (key?.kty === "RSA") return ["ssh-rsa", mpint(bytes("e")), mpint(bytes("n"))];
  if (key?.["crv"] === "Ed25519") return ["ssh-ed25519", bytes("x")];
  if (curve) return [`ecdsa-sha2-${curve}`, curve, Buffer.concat([Buffer.of(4), bytes("x"), bytes("y")])];
  return undefined;
}

/** RFC 4251 section 5: a number whose first bit is set gets a zero byte before it, or it would be negative. */
function mpint(bytes: Buffer): Buffer {
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
}

function sshString(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
