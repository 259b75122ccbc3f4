import { createSecretKey, hkdfSync } from "node:crypto";
import { sha256 } from "./hash.ts";
import { wipe } from "./kdf.ts";
import type { OpenedVersion } from "./key-type.ts";

const LABEL = Buffer.from("bunkms derived key v1", "ascii");
const NO_SALT = new Uint8Array(0);

/**
 * Makes the key of one encryption context, so that one key serves many tenants and none of them can decrypt what is
 * another's (spec/ciphertext.md, "Derived keys"): HKDF-SHA-256 (RFC 5869) of the version's key, with a label and the
 * SHA-256 of the additional data as info. The data itself would be too long for OpenSSL's HKDF, which takes 1,024 bytes.
 *
 * @param version Of a symmetric key.
 * @param aad The canonical encoding of additional data (additional-data.ts).
 * @returns The version with the derived key, as long as the version's own, and with a scope of its own.
 */
export function deriveVersion(version: OpenedVersion, aad: Uint8Array): OpenedVersion {
  const length = version.key.symmetricKeySize;
  if (length === undefined) throw new TypeError("only a secret key derives others");
  const scope = sha256(aad);
  const bytes = new Uint8Array(hkdfSync("sha256", version.key, NO_SALT, Buffer.concat([LABEL, scope]), length));
  try {
    return { keyId: version.keyId, version: version.version, key: createSecretKey(bytes), scope };
  } finally {
    wipe(bytes);
  }
}
