import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";
import { wipe } from "../kdf.ts";
import type { GeneratedKey } from "../key-type.ts";
import { invalidMaterial } from "./key-pair.ts";

/**
 * Checks what OpenSSL does not when it reads a private key on a NIST curve or secp256k1: that the scalar is from 1 to
 * n - 1, and that the public key written beside it belongs to it (SP 800-56A section 5.6.2.1). A key whose public half is
 * another's would hand out a public key that nobody holds, and by signing it can reveal its scalar.
 *
 * @param namedCurve OpenSSL's name of the curve; the caller has checked that the key is on it.
 * @param given Zeroed here.
 * @returns The key in one form: on the named curve, also when its parameters were spelt out, with its public key, also
 * when that was absent or compressed.
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
    if (!publicKey.equals(createPublicKey(key))) {
      throw invalidMaterial("the public key in the key material is not that of its private key");
    }
    return {
      material: own.export({ format: "der", type: "pkcs8" }),
      publicKey: publicKey.export({ format: "der", type: "spki" }),
    };
  } finally {
    wipe(scalar);
  }
}
