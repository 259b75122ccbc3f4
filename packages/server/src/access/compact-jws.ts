import type { KeyObject } from "node:crypto";
import { equal, mac } from "../crypto/kdf.ts";

/** What a JWS protects, once its signature was found right. */
export interface VerifiedJws {
  readonly header: Buffer;
  readonly payload: Buffer;
}

/** A longer one is refused before anything is computed. */
const MAX_CHARACTERS = 2048;

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/;

/** Whether a text has the three parts of a compact JWS. Says nothing of its being valid. */
export function isCompactJws(text: string | undefined): text is string {
  return text !== undefined && COMPACT.test(text);
}

/**
 * Checks a compact JWS (RFC 7515 section 5.2) as one of HS256 (RFC 7518 section 3.2), in constant time. The algorithm is the
 * caller's and not the header's, and nothing in the token is parsed before its signature is right.
 * @returns Undefined for whatever is wrong, also for base64url in another than its one form (RFC 4648 section 3.5).
 */
export function verifyHs256(token: string, key: KeyObject): VerifiedJws | undefined {
  if (token.length > MAX_CHARACTERS || !isCompactJws(token)) {
    return undefined;
  }
  const [header, payload, signature] = token.split(".").map(decode);
  if (header === undefined || payload === undefined || signature === undefined) {
    return undefined;
  }
  const signed = Buffer.from(token.slice(0, token.lastIndexOf(".")), "latin1");
  return equal(mac(key, signed), signature) ? { header, payload } : undefined;
}

function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  // Node's decoder is lenient: what it does not give back is not the one text of these bytes.
  return bytes.toString("base64url") === text ? bytes : undefined;
}
