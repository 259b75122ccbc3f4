import { createCipheriv, type KeyObject } from "node:crypto";

/**
 * One block of data and the tag that make an AES-256-GCM ciphertext authentic under two keys at once: the attack that a
 * key commitment is for (Dodis, Grubbs, Ristenpart, Woodage, "Fast Message Franking", CRYPTO 2018, section 3).
 *
 * @param aad Additional data, the same under both keys.
 * @returns 32 bytes.
 */
export function collide(keys: readonly [KeyObject, KeyObject], nonce: Buffer, aad: Buffer): Buffer {
  // The tag is E(nonce, 1) + a₁·h^(m+2) + … + aₘ·h³ + c·h² + lengths·h. Equal tags are one linear equation in c.
  const lengths = Buffer.alloc(16);
  lengths.writeUInt32BE(aad.length * 8, 4);
  lengths.writeUInt32BE(16 * 8, 12);
  const [a, b] = [side(keys[0]), side(keys[1])];
  const c = multiply(a.rest ^ b.rest, inverse(a.square ^ b.square));
  return Buffer.concat([bytes(c), bytes(multiply(c, a.square) ^ a.rest)]);

  function side(key: KeyObject): { square: bigint; rest: bigint } {
    const h = element(encryptBlock(key, Buffer.alloc(16)));
    const square = multiply(h, h);
    let sum = 0n;
    for (let at = 0; at < aad.length; at += 16) {
      const padded = Buffer.alloc(16);
      aad.copy(padded, 0, at, at + 16);
      sum = multiply(sum ^ element(padded), h);
    }
    const mask = element(encryptBlock(key, Buffer.concat([nonce, Buffer.of(0, 0, 0, 1)])));
    return { square, rest: multiply(sum, square) ^ multiply(element(lengths), h) ^ mask };
  }
}

const encryptBlock = (key: KeyObject, block: Buffer): Buffer =>
  createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(block);

// GF(2^128) as NIST SP 800-38D section 6.3 has it: the first bit of a block is the coefficient of x^0.
const element = (of: Buffer): bigint => BigInt(`0x${of.toString("hex")}`);
const bytes = (of: bigint): Buffer => Buffer.from(of.toString(16).padStart(32, "0"), "hex");

function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let shifted = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
  }
  return product;
}

/** x^(2^128 - 2), by Fermat's little theorem. */
function inverse(x: bigint): bigint {
  let power = x;
  let result = 1n << 127n;
  for (let i = 1; i < 128; i++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}
