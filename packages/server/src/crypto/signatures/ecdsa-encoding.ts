/*
 * The two forms of an ECDSA signature (r, s), and low s. All of it is public data, so that arithmetic on BigInts, whose
 * time depends on their values, gives nothing away. No key comes here.
 */

/** Turns DER (RFC 3279 section 2.2.3), which OpenSSL has made or judged valid, into r ‖ s (IEEE P1363). @param size Bytes of each. */
export function derToP1363(der: Uint8Array, size: number): Buffer {
  const p1363 = Buffer.alloc(2 * size);
  // Past SEQUENCE and its length, which takes a second byte from 128 bytes on (P-521).
  let at = der[1] === 0x81 ? 3 : 2;
  for (const end of [size, 2 * size]) {
    const length = der[at + 1] ?? 0;
    const integer = der.subarray(at + 2, at + 2 + length);
    // A zero goes before a number whose first bit is set: then it has one byte more than r and s can have.
    const digits = integer.subarray(Math.max(0, length - size));
    p1363.set(digits, end - digits.length);
    at += 2 + length;
  }
  return p1363;
}

/** Turns r ‖ s into DER, or nothing when it is not of the only right length. @param size Bytes of each. */
export function p1363ToDer(p1363: Uint8Array, size: number): Buffer | undefined {
  if (p1363.length !== 2 * size) return undefined;
  const numbers = Buffer.concat([derInteger(p1363.subarray(0, size)), derInteger(p1363.subarray(size))]);
  const header = numbers.length < 128 ? [0x30, numbers.length] : [0x30, 0x81, numbers.length];
  return Buffer.concat([Buffer.from(header), numbers]);
}

/** Whether s ≤ n/2. Of (r, s) and (r, n − s), which are both signatures whenever one of them is, exactly one has it. */
export function hasLowS(p1363: Uint8Array, order: bigint): boolean {
  return sOf(p1363) * 2n <= order;
}

/** The one of (r, s) and (r, n − s) that has low s, as r ‖ s. */
export function withLowS(p1363: Buffer, order: bigint): Buffer {
  if (hasLowS(p1363, order)) return p1363;
  const size = p1363.length / 2;
  const s = (order - sOf(p1363)).toString(16).padStart(2 * size, "0");
  return Buffer.concat([p1363.subarray(0, size), Buffer.from(s, "hex")]);
}

function sOf(p1363: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(p1363.subarray(p1363.length / 2)).toString("hex")}`);
}

function derInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.subarray(start);
  const zero = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Buffer.from([0x02, zero.length + digits.length, ...zero, ...digits]);
}
