import { getRawPointer } from "node:ffi";

/** A word (CK_ULONG, handle), a pointer to bytes, or a pointer to another structure. */
export type Field = bigint | Uint8Array | readonly Field[];

const WORD = 8;

/**
 * Lays out a C structure, and all that it points to, in one piece of memory of its own.
 *
 * Why one piece: what points and what is pointed to live exactly as long as each other, so that whoever holds the Buffer
 * holds all of it, and one `wipe` after the call both keeps it until then and zeroes it.
 *
 * Every structure that is given to a module here (CK_MECHANISM, CK_ATTRIBUTE and the mechanisms' parameters) has words and
 * pointers only, 8 bytes each without padding between them on 64-bit Linux and macOS, where CK_ULONG is `unsigned long`
 * (PKCS #11 v2.40 section 2.1). The argument stops holding on Windows (4 bytes, packed), on 32 bits and on big-endian
 * machines; the server runs on none of them.
 *
 * @returns Not of a shared pool, so that its address stays and no other buffer lies beside it. Bytes are copied; they
 * begin at a multiple of 8, in the order of the fields, after the structure that points to them.
 */
export function layOut(fields: readonly Field[]): Buffer {
  const memory = Buffer.alloc(sizeOf(fields));
  const address = getRawPointer(memory);
  let free = 0;

  function take(length: number): number {
    const start = free;
    free += roundUp(length);
    return start;
  }
  function place(structure: readonly Field[]): bigint {
    const start = take(structure.length * WORD);
    for (const [index, field] of structure.entries()) {
      memory.writeBigUInt64LE(wordOf(field), start + index * WORD);
    }
    return address + BigInt(start);
  }
  function wordOf(field: Field): bigint {
    if (typeof field === "bigint") return field;
    if (!(field instanceof Uint8Array)) return place(field);
    const start = take(field.length);
    memory.set(field, start);
    return address + BigInt(start);
  }

  place(fields);
  return memory;
}

/** A CK_ULONG as bytes: the value of an attribute, or the place for a number that the module writes. */
export function word(value = 0n): Buffer {
  const bytes = Buffer.alloc(WORD);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function sizeOf(fields: readonly Field[]): number {
  return fields.reduce<number>((sum, field) => {
    if (typeof field === "bigint") return sum + WORD;
    return sum + WORD + (field instanceof Uint8Array ? roundUp(field.length) : sizeOf(field));
  }, 0);
}

function roundUp(length: number): number {
  return Math.ceil(length / WORD) * WORD;
}
