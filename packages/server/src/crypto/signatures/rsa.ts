import { constants } from "node:crypto";
import type { DigestScheme } from "../digest-signature.ts";
import type { SignatureAlgorithm } from "../key-type.ts";
import { check, checkedInput, make, requireFit, type SignatureHash } from "./scheme.ts";

/** RSASSA-PSS (RFC 8017 section 8.1), then RSASSA-PKCS1-v1_5 (section 8.2) for those who need it. */
export const RSA_SIGNATURES: readonly SignatureAlgorithm[] = Object.freeze([
  pss("sha256"),
  pss("sha384"),
  pss("sha512"),
  pkcs1("sha256"),
  pkcs1("sha384"),
  pkcs1("sha512"),
]);

function pss(hash: SignatureHash): SignatureAlgorithm {
  return rsa(`rsa-pss-${hash}`, hash, {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    // The salt is as long as the hash, when signing and when verifying; MGF1 uses the same hash (RFC 8017 section 9.1).
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
}

function pkcs1(hash: SignatureHash): SignatureAlgorithm {
  return rsa(`rsa-pkcs1-${hash}`, hash, { padding: constants.RSA_PKCS1_PADDING });
}

function rsa(name: string, hash: SignatureHash, options: Omit<DigestScheme, "hash">): SignatureAlgorithm {
  const keys = { family: "rsa", slow: true };
  const scheme: DigestScheme = { hash, ...options };
  return Object.freeze<SignatureAlgorithm>({
    name,
    hash,
    encodings: Object.freeze(["raw"] as const),
    contextLength: 0,
    sign(key, input) {
      requireFit(keys, key, "private");
      return make(keys, { kind: input.kind, key, input: checkedInput(hash, input), scheme });
    },
    verify(publicKey, input, signature) {
      requireFit(keys, publicKey, "public");
      const checked = checkedInput(hash, input);
      // RFC 8017 sections 8.1.2 and 8.2.2, step 1. OpenSSL takes a PSS signature without its leading zeros.
      if (signature.length * 8 !== publicKey.asymmetricKeyDetails?.modulusLength) return false;
      return check(keys, { kind: input.kind, key: publicKey, input: checked, signature, scheme });
    },
  });
}
