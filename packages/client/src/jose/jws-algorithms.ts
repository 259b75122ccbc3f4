import { RequestError } from "../errors.ts";

/** How BunKMS signs for one algorithm of JOSE. */
interface JwsAlgorithm {
  /** Of a public key in JWK that can verify it: `kty`, and `crv` or, for AKP, `alg`. */
  readonly kty: string;
  readonly crv?: string;
  readonly ownAlg?: string;
  /** The server's name. */
  readonly algorithm: string;
  /** JOSE has ECDSA's r and s as they are (RFC 7518 section 3.4), and no DER. */
  readonly encoding?: "p1363";
}

const rsa = (algorithm: string): JwsAlgorithm => ({ kty: "RSA", algorithm });
const ecdsa = (crv: string, algorithm: string): JwsAlgorithm => ({ kty: "EC", crv, algorithm, encoding: "p1363" });
const ed25519: JwsAlgorithm = { kty: "OKP", crv: "Ed25519", algorithm: "ed25519" };
const mlDsa = (set: number): JwsAlgorithm => ({ kty: "AKP", ownAlg: `ML-DSA-${set}`, algorithm: `ml-dsa-${set}` });

/** RFC 7518 section 3.1, RFC 8812 section 3.2, RFC 8037 and RFC 9864, draft-ietf-cose-dilithium. */
const JWS_ALGORITHMS = Object.freeze({
  __proto__: null,
  ES256: ecdsa("P-256", "ecdsa-sha256"),
  ES384: ecdsa("P-384", "ecdsa-sha384"),
  ES512: ecdsa("P-521", "ecdsa-sha512"),
  ES256K: ecdsa("secp256k1", "ecdsa-sha256"),
  RS256: rsa("rsa-pkcs1-sha256"),
  RS384: rsa("rsa-pkcs1-sha384"),
  RS512: rsa("rsa-pkcs1-sha512"),
  PS256: rsa("rsa-pss-sha256"),
  PS384: rsa("rsa-pss-sha384"),
  PS512: rsa("rsa-pss-sha512"),
  EdDSA: ed25519,
  Ed25519: ed25519,
  "ML-DSA-44": mlDsa(44),
  "ML-DSA-65": mlDsa(65),
  "ML-DSA-87": mlDsa(87),
} as const);

/** The algorithms of JOSE that a key of BunKMS can sign with. */
export type JwsAlg = Exclude<keyof typeof JWS_ALGORITHMS, "__proto__">;

/** How BunKMS signs for it. @throws RequestError for one that is none of these. */
export function findJwsAlgorithm(alg: string): JwsAlgorithm {
  const found = (JWS_ALGORITHMS as Readonly<Record<string, JwsAlgorithm | null>>)[alg];
  if (found === undefined || found === null) {
    throw new RequestError(`${alg} is not an algorithm of JOSE that keys sign with here`);
  }
  return found;
}

/** Whether what is signed so is verified with this key. */
export function isKeyFor({ kty, crv, ownAlg }: JwsAlgorithm, jwk: Readonly<Record<string, unknown>>): boolean {
  return jwk["kty"] === kty && (crv === undefined || jwk["crv"] === crv) && (!ownAlg || jwk["alg"] === ownAlg);
}
