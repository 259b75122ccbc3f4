import { createCipheriv, createHash, createHmac, hkdfSync } from "node:crypto";

// What the generators of vectors share, made by the letter of the specifications and not by the server's code.

/** Bytes that depend on the label alone: vectors are the same whenever they are made. */
export function pseudorandom(label: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; parts.length * 32 < length; i++) {
    parts.push(createHash("sha256").update(`bunkms vault vectors\0${label}\0${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** An unsigned integer in so many bytes, big-endian. */
export function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes.subarray(8 - length);
}

/** HKDF-SHA-256 (RFC 5869) without a salt, 32 bytes. */
export function hkdf(key: Buffer, label: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "", label, 32));
}

/** HMAC-SHA-256. */
export function hmac(key: Buffer, message: Buffer | string): Buffer {
  return createHmac("sha256", key).update(message).digest();
}

/** XAES-256-GCM (c2sp.org/XAES-256-GCM): nonce, ciphertext, tag. The nonce is fixed, which only a test may do. */
export function xaesSeal(key: Buffer, nonce: Buffer, plaintext: Buffer, aad: Buffer): Buffer {
  const block = (input: Buffer): Buffer => createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(input);
  const k1 = doubled(block(Buffer.alloc(16)));
  const half = (counter: number): Buffer =>
    block(xor(k1, Buffer.concat([Buffer.of(0, counter, 0x58, 0), nonce.subarray(0, 12)])));
  const cipher = createCipheriv("aes-256-gcm", Buffer.concat([half(1), half(2)]), nonce.subarray(12));
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** CMAC's subkey step: times x in GF(2^128). */
function doubled(block: Buffer): Buffer {
  const number = BigInt(`0x${block.toString("hex")}`) << 1n;
  const reduced = number >> 128n === 1n ? (number ^ 0x87n) & ((1n << 128n) - 1n) : number;
  return Buffer.from(reduced.toString(16).padStart(32, "0"), "hex");
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
}

/** Protobuf: a field of wire type 2. */
export function lengthDelimited(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(bytes.length), bytes]);
}

/** Protobuf: a field of wire type 0. */
export function varintField(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(field << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) | 0x80);
  }
  return Buffer.of(...bytes, rest);
}
