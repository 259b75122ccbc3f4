import { BunkmsError } from "@bunkms/contract";
import type { Purpose } from "../crypto/key-type.ts";
import { type JwkMembers, publicKeyJwk } from "../crypto/public-key.ts";
import type { KeyInfo } from "../vault/key-info.ts";

/**
 * The one JOSE algorithm that a curve signs with (RFC 7518 section 3.4, RFC 8812 section 3.2). RSA keys have several, and
 * Ed25519 has two names (RFC 8037, RFC 9864), so that neither says any.
 */
const SIGNING_ALGORITHMS: ReadonlyMap<unknown, string> = new Map([
  ["P-256", "ES256"],
  ["P-384", "ES384"],
  ["P-521", "ES512"],
  ["secp256k1", "ES256K"],
]);

/** Whether the key has a public key. */
export function isPublic({ type }: KeyInfo): boolean {
  return type.loadPublic !== undefined;
}

/** @throws BunkmsError `wrong_key_usage` for a symmetric key. */
export function requirePublic(key: KeyInfo): void {
  if (!isPublic(key)) {
    throw new BunkmsError("wrong_key_usage", "keys of this type are secret: there is no public key");
  }
}

/** What a JWK of a key's version says beside the key. */
export function jwkMembers({ purpose }: KeyInfo, spki: Uint8Array): JwkMembers {
  const alg = purpose === "sign" ? SIGNING_ALGORITHMS.get(publicKeyJwk(spki)?.["crv"]) : undefined;
  return { use: useOf(purpose), ...(alg === undefined ? {} : { alg }) };
}

function useOf(purpose: Purpose): "sig" | "enc" {
  return purpose === "sign" ? "sig" : "enc";
}
