import { dlopen } from "node:ffi";

/** The most bytes that one call draws: below it neither getrandom(2) nor getentropy(3) can be cut short by a signal. */
const CHUNK = 256;

/** Fills at most {@link CHUNK} bytes from the kernel; false when the kernel refuses. */
type Draw = (into: Uint8Array) => boolean;

/**
 * Opens the kernel's random generator.
 *
 * Why not `crypto.randomBytes`: OpenSSL answers it from a DRBG whose state lives in this process. It reseeds at fork
 * and now and then, but nothing tells it that the virtual machine was resumed from a snapshot, or resumed twice: both
 * clones would then draw the same "random" nonces until the next reseed. Linux mixes fresh state into its generator at
 * resume (the vmgenid device), and glibc's vDSO fast path watches the generation of that very state, so bytes from
 * getrandom(2) differ. The argument stops holding on a hypervisor without vmgenid: there, do not clone a running node.
 * For the same reason nothing is pooled here: a byte drawn in advance is a byte that a snapshot repeats. The one case in
 * which that does no harm is in nonce-lot.ts.
 *
 * It is also the quicker one: 24 bytes cost 0.7 µs, against 1.4 µs by `crypto.randomBytes` (Node 26.10).
 *
 * @throws Error on a platform whose kernel we cannot ask, so that the process refuses to start. There is no fallback.
 */
export function openKernelSource(platform: NodeJS.Platform): Draw {
  if (platform === "linux") {
    const { functions } = dlopen(null, { getrandom: { arguments: ["buffer", "u64", "u32"], return: "i64" } });
    return (into) => functions.getrandom(into, BigInt(into.length), 0) === BigInt(into.length);
  }
  if (platform === "darwin") {
    const { functions } = dlopen(null, { getentropy: { arguments: ["buffer", "u64"], return: "i32" } });
    return (into) => functions.getentropy(into, BigInt(into.length)) === 0;
  }
  throw new Error(`BunKMS takes its randomness from the kernel and does not know how on ${platform}; run it on Linux`);
}

const draw = openKernelSource(process.platform);

/**
 * Fills `into` with random bytes of the kernel; see {@link openKernelSource} for why.
 *
 * @throws Error when the kernel refuses: never less randomness than asked for.
 */
export function fillRandom(into: Uint8Array): void {
  if (into.length <= CHUNK) {
    if (!draw(into)) throw new Error("the kernel gave no randomness");
    return;
  }
  for (let start = 0; start < into.length; start += CHUNK) {
    if (!draw(into.subarray(start, start + CHUNK))) throw new Error("the kernel gave no randomness");
  }
}

/**
 * The one source of randomness for keys, nonces, salts and ids.
 *
 * @param length In bytes.
 * @returns A buffer of its own memory, not a slice of a shared pool, so that its owner can zero it.
 */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  fillRandom(bytes);
  return bytes;
}

const openssl = dlopen(null, {
  RAND_get0_primary: { arguments: ["pointer"], return: "pointer" },
  EVP_RAND_reseed: { arguments: ["pointer", "i32", "pointer", "u64", "buffer", "u64"], return: "i32" },
}).functions;

/**
 * Makes OpenSSL's DRBGs take fresh state from the kernel. Called before a key pair is generated, a secret encapsulated or
 * a message encrypted by RSA-OAEP, because OpenSSL draws these from its own DRBG (see {@link openKernelSource} for what is
 * wrong with that). The DRBG of every thread is a child of the primary one and reseeds itself when its parent has (NIST SP
 * 800-90A section 9.2 through OpenSSL's EVP_RAND). Signatures need no such call: OpenSSL hashes the private key and the
 * digest into each ECDSA nonce, and a repeated RSA-PSS salt is harmless.
 *
 * The argument is for a clone made before the call. Whoever clones the machine after it, while the thread pool still
 * generates, has two that go on from one state: they make the same key pair, or, where one of them reseeds in between, RSA
 * keys that share one prime, and then anybody finds both by a gcd. That window is microseconds wide for curves and ML
 * types, but 0.1 to 2 s for RSA: do not clone a running node while it makes RSA keys.
 *
 * @throws Error when OpenSSL refuses.
 */
export function reseedOpenssl(): void {
  const fresh = randomBytes(32);
  // The primary DRBG belongs to OpenSSL and lives as long as the process. 1: prediction resistance, from the kernel.
  const primary = openssl.RAND_get0_primary(0n);
  const isFresh = primary !== 0n && openssl.EVP_RAND_reseed(primary, 1, 0n, 0n, fresh, BigInt(fresh.length)) === 1;
  fresh.fill(0);
  if (!isFresh) throw new Error("OpenSSL could not reseed its random generator");
}
