import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";
import { derSequence } from "../der.ts";
import { equal, wipe } from "../kdf.ts";
import type { GeneratedKey } from "../key-type.ts";
import { foreignPublicKey, invalidMaterial } from "./key-pair.ts";

/**
 * Checks what OpenSSL does not when it reads a private key on a NIST curve or secp256k1: that the scalar is from 1 to
 * n - 1, and that the public key written beside it belongs to it (SP 800-56A section 5.6.2.1). A key whose public half is
 * another's would hand out a public key that nobody holds, and by signing it can reveal its scalar.
 *
 * Refuses curve parameters that are spelt out, which OpenSSL takes when it recognises them: a generator or a cofactor of
 * the sender's own choice is how CVE-2020-0601 was done, and RFC 5480 section 2.1.1 forbids them.
 *
 * @param namedCurve OpenSSL's name of the curve; the caller has checked that the key is on it.
 * @param given Zeroed here.
 * @returns The key in one form: with its public key, also when that was absent or compressed.
 * @throws BunkmsError `invalid_key_material`
 */
export function checkedEcKey(namedCurve: string, given: GeneratedKey): GeneratedKey {
  const key = createPrivateKey({ key: given.material, format: "der", type: "pkcs8" });
  wipe(given.material);
  const scalar = key.export({ format: "raw-private" });
  try {
    try {
      // Refuses a scalar that is out of range, in OpenSSL. Its copy is cleared when the object is collected.
      createECDH(namedCurve).setPrivateKey(scalar);
    } catch {
      throw invalidMaterial("the private key is not in the range of its curve");
    }
    const own = createPrivateKey({ key: scalar, format: "raw-private", asymmetricKeyType: "ec", namedCurve });
    const publicKey = createPublicKey(own);
    const spki = publicKey.export({ format: "der", type: "spki" });
    if (!equal(curveOf(spki), curveOf(given.publicKey))) {
      throw invalidMaterial(`the key must name the curve ${namedCurve}; explicit curve parameters are not taken`);
    }
    if (!publicKey.equals(createPublicKey(key))) throw foreignPublicKey();
    return { material: own.export({ format: "der", type: "pkcs8" }), publicKey: spki };
  } finally {
    wipe(scalar);
  }
}

/** The AlgorithmIdentifier in a SubjectPublicKeyInfo that OpenSSL wrote, its content. */
function curveOf(spki: Uint8Array): Uint8Array {
  return derSequence(spki)?.[0]?.content ?? new Uint8Array(0);
}
