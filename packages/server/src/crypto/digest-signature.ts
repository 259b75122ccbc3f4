import type { KeyObject } from "node:crypto";
import { dlopen, getRawPointer } from "node:ffi";
import { wipe } from "./kdf.ts";

/**
 * Signing and verifying a digest that the caller has made (AWS `MessageType=DIGEST`, Transit `prehashed`).
 *
 * `node:crypto` always hashes first, so this file alone calls the very OpenSSL that `node:crypto` runs on, through
 * `node:ffi`: EVP_PKEY_sign(3) and EVP_PKEY_verify(3), which take a digest. No arithmetic on keys is done here.
 *
 * Why this is safe in memory, call by call:
 * - Every call is synchronous. Buffers passed as arguments live outside the moving heap and are held by the call; the
 *   one buffer that is passed as a bare address (the DER, inside `cursor`) is still used after the call, so it cannot
 *   have been collected during it.
 * - d2i_* copies what it parses and keeps no pointer into the DER. It advances the address in `cursor`, our own bytes.
 * - EVP_PKEY_CTX_new takes its own reference on the key. Context and key are freed once each, in `finally`; freeing
 *   null (0n) does nothing.
 * - EVP_sha256() and its sisters are static objects of OpenSSL: never freed.
 * - EVP_PKEY_sign writes at most the length that it is given, and we give the size of the buffer that it writes into.
 * The argument ends where a signature below differs from OpenSSL's header: check them when the pinned runtime changes.
 */
const { functions: openssl } = dlopen(null, {
  d2i_AutoPrivateKey: { arguments: ["pointer", "buffer", "i64"], return: "pointer" },
  d2i_PUBKEY: { arguments: ["pointer", "buffer", "i64"], return: "pointer" },
  EVP_PKEY_get_size: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_CTX_new: { arguments: ["pointer", "pointer"], return: "pointer" },
  EVP_PKEY_sign_init: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_verify_init: { arguments: ["pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_padding: { arguments: ["pointer", "i32"], return: "i32" },
  EVP_PKEY_CTX_set_signature_md: { arguments: ["pointer", "pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_mgf1_md: { arguments: ["pointer", "pointer"], return: "i32" },
  EVP_PKEY_CTX_set_rsa_pss_saltlen: { arguments: ["pointer", "i32"], return: "i32" },
  EVP_PKEY_sign: { arguments: ["pointer", "buffer", "buffer", "buffer", "u64"], return: "i32" },
  EVP_PKEY_verify: { arguments: ["pointer", "buffer", "u64", "buffer", "u64"], return: "i32" },
  EVP_PKEY_CTX_free: { arguments: ["pointer"], return: "void" },
  EVP_PKEY_free: { arguments: ["pointer"], return: "void" },
  ERR_clear_error: { arguments: [], return: "void" },
  EVP_sha256: { arguments: [], return: "pointer" },
  EVP_sha384: { arguments: [], return: "pointer" },
  EVP_sha512: { arguments: [], return: "pointer" },
});

const NULL = 0n;
const HASHES = { sha256: openssl.EVP_sha256, sha384: openssl.EVP_sha384, sha512: openssl.EVP_sha512 };

/** What a digest was made with, and how an RSA signature wraps it. */
export interface DigestScheme {
  readonly hash: keyof typeof HASHES;
  /** An RSA_*_PADDING constant of `crypto.constants`; absent for ECDSA. */
  readonly padding?: number;
  /** For RSA-PSS: an RSA_PSS_SALTLEN_* constant or a length in bytes. */
  readonly saltLength?: number;
}

/**
 * Signs a digest. Takes as long as the private-key operation, on the calling thread: 0.03 ms for P-256, 1.4 ms for RSA
 * of 4096 bits.
 *
 * @param digest As long as the hash's output; the caller has checked it.
 * @throws Error when OpenSSL refuses. The error says nothing of the key.
 */
export function signDigest(scheme: DigestScheme, privateKey: KeyObject, digest: Uint8Array): Buffer {
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  try {
    return withContext(openssl.d2i_AutoPrivateKey, der, (context, key) => {
      check(openssl.EVP_PKEY_sign_init(context));
      configure(context, scheme);
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
  return withContext(openssl.d2i_PUBKEY, der, (context) => {
    check(openssl.EVP_PKEY_verify_init(context));
    configure(context, scheme);
    // 0 and negative numbers alike: OpenSSL answers "wrong" or "malformed" as the key type sees fit.
    return openssl.EVP_PKEY_verify(context, signature, BigInt(signature.length), digest, BigInt(digest.length)) === 1;
  });
}

type Parse = typeof openssl.d2i_PUBKEY;

function withContext<T>(parse: Parse, der: Buffer, use: (context: bigint, key: bigint) => T): T {
  const cursor = Buffer.alloc(8);
  cursor.writeBigUInt64LE(getRawPointer(der));
  const key = parse(NULL, cursor, BigInt(der.length));
  let context = NULL;
  try {
    check(key === NULL ? 0 : 1);
    context = openssl.EVP_PKEY_CTX_new(key, NULL);
    check(context === NULL ? 0 : 1);
    return use(context, key);
  } finally {
    openssl.EVP_PKEY_CTX_free(context);
    openssl.EVP_PKEY_free(key);
    // OpenSSL queues errors per thread. Left there, a later call of node:crypto on this thread could report ours as its.
    openssl.ERR_clear_error();
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
