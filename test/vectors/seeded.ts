import { createCipheriv, createHash } from "node:crypto";

/** Deterministic randomness for tests: a failing run is repeated by its seed. */
export interface Seeded {
  readonly seed: string;
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  bytes(length: number): Buffer;
}

/** The keystream of AES-256-CTR under a hash of the seed; BUNKMS_TEST_SEED sets the seed of a run that failed. */
export function seeded(seed: string = process.env.BUNKMS_TEST_SEED ?? String(Date.now())): Seeded {
  const stream = createCipheriv("aes-256-ctr", createHash("sha256").update(seed).digest(), Buffer.alloc(16));
  const zeros = Buffer.alloc(4096);
  let pool = Buffer.alloc(0);
  const bytes = (length: number): Buffer => {
    while (pool.length < length) pool = Buffer.concat([pool, stream.update(zeros)]);
    const taken = pool.subarray(0, length);
    pool = pool.subarray(length);
    return taken;
  };
  return { seed, bytes, below: (below) => bytes(4).readUInt32BE() % below };
}
