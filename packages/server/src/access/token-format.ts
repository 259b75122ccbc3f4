import { crc32 } from "node:zlib";
import { randomBytes } from "../crypto/random.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH = 30;
const CHECKSUM_LENGTH = 6;
const FORM = /^bkms_([rs])_[0-9A-Za-z]{30}[0-9A-Za-z]{6}$/;

/** What a token is for, as its short type in the text: `r` root, `s` service. */
export type TokenKind = "r" | "s";

/**
 * Makes a token (spec/token.md): `bkms_`, a short type, `_`, 30 random base62 characters (178 bits), and the CRC-32 of
 * all before it in 6 base62 characters, so that secret scanners find it and typing errors are noticed without a look-up.
 */
export function makeToken(kind: TokenKind): string {
  const body = `bkms_${kind}_${randomBase62(RANDOM_LENGTH)}`;
  return body + checksum(body);
}

/** Whether a text has the form of a token and the right checksum. Says nothing of its being valid. */
export function isTokenForm(text: string): boolean {
  return FORM.test(text) && checksum(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH);
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = "";
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = ALPHABET.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** Uniform: a byte of 248 or more, 4 × 62, is drawn again. */
function randomBase62(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) {
        text += ALPHABET.charAt(byte % 62);
      }
    }
  }
  return text;
}
