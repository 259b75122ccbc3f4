import type { KeyObject } from "node:crypto";
import { dlopen } from "node:ffi";
import { wipe } from "./kdf.ts";
import { withKey } from "./openssl-key.ts";

/**
 * Signing and verifying a digest that the caller has made (AWS `MessageType=DIGEST`, Transit `prehashed`).
 *
 * `node:crypto` always hashes first, so this file calls the very OpenSSL that `node:crypto` runs on, through `node:ffi`:
 * EVP_PKEY_sign(3) and EVP_PKEY_verify(3), which take a digest. No arithmetic on keys is done here.
 *
 * Why this is safe in memory, beside what openssl-key.ts says:
 * - EVP_sha256() and its sisters are static objects of OpenSSL: never freed.
 * - EVP_PKEY_sign writes at most the length that it is given, and we give the size of the buffer that it writes into.
 * - EVP_PKEY_sign_init_ex2 and its sister take their own reference on the algorithm and read the parameters before they
 *   return. Both are freed once, in `finally`.
 * - OSSL_PARAM_BLD keeps the addresses that it is given. The name's bytes are a constant of this file, so they live as
 *   long as it does; the context's bytes are copied by OSSL_PARAM_BLD_to_param, and used here after that call.
 * The argument ends where a signature below differs from OpenSSL's header: check them when the pinned runtime changes.
 */
const { functions: openssl } = dlopen(null, {
  EVP_PKEY_get_size: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_sign_init: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_verify_init: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_sign_init_ex2: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  EVP_PKEY_verify_init_ex2: { arguments: ["pointer", "pointer", "pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_padding: { arguments: ["pointer", "i32"], return: "i32" },
  EVP_PKEY_CTX_set_signature_md: { arguments: ["pointer", "pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_mgf1_md: { arguments: ["pointer", "pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_pss_saltlen: { arguments: ["pointer", "i32"], return: "i32" },
  EVP_PKEY_sign: { arguments: ["pointer", "buffer", "buffer", "buffer", "u64"], return: "i32" },
  EVP_PKEY_verify: { arguments: ["pointer", "buffer", "u64", "buffer", "u64"], return: "i32" },
  EVP_SIGNATURE_fetch: { arguments: ["pointer", "buffer", "pointer"], return: "pointer" },
  EVP_SIGNATURE_free: { arguments: ["pointer"], return: "void" },
  OSSL_PARAM_BLD_new: { arguments: [], return: "pointer" },
  OSSL_PARAM_BLD_push_octet_string: { arguments: ["pointer", "buffer", "buffer", "u64"], return: "i32" },
  OSSL_PARAM_BLD_to_param: { arguments: ["pointer"], return: "pointer" },
  OSSL_PARAM_BLD_free: { arguments: ["pointer"], return: "void" },
  OSSL_PARAM_free: { arguments: ["pointer"], return: "void" },
  EVP_sha256: { arguments: [], return: "pointer" },
  EVP_sha384: { arguments: [], return: "pointer" },
  EVP_sha512: { arguments: [], return: "pointer" },
});

const NULL = 0n;
const HASHES = { sha256: openssl.EVP_sha256, sha384: openssl.EVP_sha384, sha512: openssl.EVP_sha512 };
const ED25519PH = Buffer.from("ED25519ph\0");
const CONTEXT_STRING = Buffer.from("context-string\0");

/** What a digest was made with, and how a signature wraps it. */
export interface DigestScheme {
  readonly hash: keyof typeof HASHES;
  /** An RSA_*_PADDING constant of `crypto.constants`; absent for ECDSA and Ed25519ph. */
  readonly padding?: number;
  /** For RSA-PSS: an RSA_PSS_SALTLEN_* constant or a length in bytes. */
  readonly saltLength?: number;
  /** For Ed25519ph (RFC 8032 section 5.1) its context, at most 255 bytes, which may be empty. */
  readonly ed25519ph?: Uint8Array;
}

/**
 * Signs a digest. Takes as long as the private-key operation, on the calling thread: 0.03 ms for P-256, 1.4 ms for RSA
 * of 4096 bits and for P-521.
 *
 * @param digest As long as the hash's output; the caller has checked it.
 * @throws Error when OpenSSL refuses. The error says nothing of the key.
 */
export function signDigest(scheme: DigestScheme, privateKey: KeyObject, digest: Uint8Array): Buffer {
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  try {
    return withKey("pkcs8", der, (context, key) => {
      start(context, scheme, openssl.EVP_PKEY_sign_init, openssl.EVP_PKEY_sign_init_ex2);
      const signature = Buffer.alloc(openssl.EVP_PKEY_get_size(key));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(signature.length));
      check(openssl.EVP_PKEY_sign(context, signature, length, digest, BigInt(digest.length)));
      return signature.subarray(0, Number(length.readBigUInt64LE()));
    });
  } finally {
    wipe(der);
  }
}

/**
 * Verifies a signature over a digest.
 *
 * @returns false for a signature that is wrong in whatever way, malformed ones included.
 * @throws Error when OpenSSL refuses the key or the scheme.
 */
export function verifyDigest(
  scheme: DigestScheme,
  publicKey: KeyObject,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const der = publicKey.export({ format: "der", type: "spki" });
  return withKey("spki", der, (context) => {
    start(context, scheme, openssl.EVP_PKEY_verify_init, openssl.EVP_PKEY_verify_init_ex2);
    // 0 and negative numbers alike: OpenSSL answers "wrong" or "malformed" as the key type sees fit.
    return openssl.EVP_PKEY_verify(context, signature, BigInt(signature.length), digest, BigInt(digest.length)) === 1;
  });
}

/** Begins an operation that is the key type's own, or, for Ed25519ph, one that has to be named. */
function start(
  context: bigint,
  scheme: DigestScheme,
  init: typeof openssl.EVP_PKEY_sign_init,
  initNamed: typeof openssl.EVP_PKEY_sign_init_ex2,
): void {
  if (scheme.ed25519ph === undefined) {
    check(init(context));
    configure(context, scheme);
    return;
  }
  const algorithm = openssl.EVP_SIGNATURE_fetch(NULL, ED25519PH, NULL);
  let parameters = NULL;
  try {
    // Without it OpenSSL would take the key type's own algorithm, plain Ed25519.
    check(algorithm === NULL ? 0 : 1);
    parameters = contextParameters(scheme.ed25519ph);
    check(initNamed(context, algorithm, parameters));
  } finally {
    openssl.OSSL_PARAM_free(parameters);
    openssl.EVP_SIGNATURE_free(algorithm);
  }
}

/** An OSSL_PARAM(3) array of its own, which the caller frees. */
function contextParameters(bytes: Uint8Array): bigint {
  const builder = openssl.OSSL_PARAM_BLD_new();
  try {
    check(openssl.OSSL_PARAM_BLD_push_octet_string(builder, CONTEXT_STRING, bytes, BigInt(bytes.length)));
    const parameters = openssl.OSSL_PARAM_BLD_to_param(builder);
    check(parameters === NULL ? 0 : 1);
    return parameters;
  } finally {
    openssl.OSSL_PARAM_BLD_free(builder);
  }
}

function configure(context: bigint, { hash, padding, saltLength }: DigestScheme): void {
  if (padding !== undefined) check(openssl.EVP_PKEY_CTX_set_rsa_padding(context, padding));
  const md = HASHES[hash]();
  check(openssl.EVP_PKEY_CTX_set_signature_md(context, md));
  if (saltLength === undefined) return;
  check(openssl.EVP_PKEY_CTX_set_rsa_mgf1_md(context, md));
  check(openssl.EVP_PKEY_CTX_set_rsa_pss_saltlen(context, saltLength));
}

function check(result: number): void {
  if (result !== 1) throw new Error("OpenSSL refused to sign or verify a digest");
}
