import { createSecretKey, type KeyObject } from "node:crypto";

/** Copies key bytes into OpenSSL's keeping. The caller zeroes its own. */
export function secretKey(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes);
}
