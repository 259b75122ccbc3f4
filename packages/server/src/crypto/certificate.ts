import { createPrivateKey, X509Certificate } from "node:crypto";

/**
 * Whether a certificate is of this private key. To make a TLS context of both is no proof: OpenSSL keeps one pair for each kind of
 * key, so that an RSA certificate and an EC key are two halves to it, and nothing is presented.
 * @param cert PEM; of a chain the first counts. @param key PEM, without a passphrase; stays the caller's.
 * @throws Error of OpenSSL when either is none.
 */
export function isCertificateOf(cert: Buffer, key: Buffer): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}
