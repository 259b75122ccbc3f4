import { dlopen, getRawPointer } from "node:ffi";

/**
 * Keys as OpenSSL's own `EVP_PKEY`, for the little that `node:crypto` has no name for: the very OpenSSL that
 * `node:crypto` runs on, through `node:ffi`.
 *
 * Why this is safe in memory, call by call:
 * - Every call is synchronous. Buffers passed as arguments live outside the moving heap and are held by the call; the
 *   one buffer that is passed as a bare address (the DER, inside `cursor`) is still used after the call, so it cannot
 *   have been collected during it.
 * - d2i_* copies what it parses and keeps no pointer into the DER. It advances the address in `cursor`, our own bytes.
 * - EVP_PKEY_CTX_new takes its own reference on the key. Context and key are freed once each, in `finally`; freeing
 *   null (0n) does nothing.
 * The argument ends where a signature below differs from OpenSSL's header: check them when the pinned runtime changes.
 */
const { functions: openssl } = dlopen(null, {
  d2i_AutoPrivateKey: { arguments: ["pointer", "buffer", "i64"], return: "pointer" },
  d2i_PUBKEY: { arguments: ["pointer", "buffer", "i64"], return: "pointer" },
  EVP_PKEY_CTX_new: { arguments: ["pointer", "pointer"], return: "pointer" },
  EVP_PKEY_CTX_free: { arguments: ["pointer"], return: "void" },
  EVP_PKEY_free: { arguments: ["pointer"], return: "void" },
  EVP_PKEY_pairwise_check: { arguments: ["pointer"], return: "i32" },
  ERR_clear_error: { arguments: [], return: "void" },
});

const NULL = 0n;
const PARSERS = { pkcs8: openssl.d2i_AutoPrivateKey, spki: openssl.d2i_PUBKEY };

/**
 * Opens a key for one use, and frees it.
 *
 * @param der The caller zeroes it where it is private.
 * @param use Gets an `EVP_PKEY_CTX` and its `EVP_PKEY`, and must keep neither.
 * @throws Error when OpenSSL cannot read the key, and whatever `use` throws.
 */
export function withKey<T>(form: "pkcs8" | "spki", der: Buffer, use: (context: bigint, key: bigint) => T): T {
  const cursor = Buffer.alloc(8);
  cursor.writeBigUInt64LE(getRawPointer(der));
  const key = PARSERS[form](NULL, cursor, BigInt(der.length));
  let context = NULL;
  try {
    if (key !== NULL) context = openssl.EVP_PKEY_CTX_new(key, NULL);
    if (context === NULL) throw new Error("OpenSSL refused a key");
    return use(context, key);
  } finally {
    openssl.EVP_PKEY_CTX_free(context);
    openssl.EVP_PKEY_free(key);
    // OpenSSL queues errors per thread. Left there, a later call of node:crypto on this thread could report ours as its.
    openssl.ERR_clear_error();
  }
}

/**
 * Whether the public key inside a PKCS#8 is that of its private key: EVP_PKEY_pairwise_check(3), which makes it anew.
 * On the calling thread it takes as long as that: up to 0.1 ms on a curve, 0.1 s for SLH-DSA, 0.2 s for RSA of 4096 bits.
 *
 * @throws Error when OpenSSL cannot read the key.
 */
export function partsMatch(pkcs8: Buffer): boolean {
  return withKey("pkcs8", pkcs8, (context) => openssl.EVP_PKEY_pairwise_check(context) === 1);
}
