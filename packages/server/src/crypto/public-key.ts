import { createPublicKey, type KeyObject } from "node:crypto";

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
