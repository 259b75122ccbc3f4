import { createHash, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { wipe } from "../kdf.ts";
import type { SignatureAlgorithm, SignatureInput, SignatureOptions } from "../key-type.ts";
import { check, checkedDigest, make } from "./scheme.ts";

/** Bytes of a private key, the seed of ML-DSA-65 and the private key of Ed25519 (draft section 4.2). */
export const COMPOSITE_PRIVATE_LENGTH = 32 + 32;

const PUBLIC_ML_DSA = 1952;
/** Bytes of a public key, ML-DSA-65's and Ed25519's (draft section 4.1). */
export const COMPOSITE_PUBLIC_LENGTH = PUBLIC_ML_DSA + 32;

const SIGNATURE_ML_DSA = 3309;
const SIGNATURE_LENGTH = SIGNATURE_ML_DSA + 64;

// Draft sections 2.2 and 6.
const PREFIX = Buffer.from("CompositeAlgorithmSignatures2025");
const LABEL = Buffer.from("COMPSIG-MLDSA65-Ed25519-SHA512");

const ML_DSA = { family: "ml-dsa-65", slow: true };
const ED25519 = { family: "ed25519", slow: false };
const ML_DSA_SCHEME = { hash: null, context: LABEL };
const ED25519_SCHEME = { hash: null };

/**
 * id-MLDSA65-Ed25519-SHA512 (draft-ietf-lamps-pq-composite-sigs-19): a signature by ML-DSA-65 and one by Ed25519, of
 * which both must be valid, so that one of the two must hold. The message is hashed first (section 2.1), and a digest is
 * what the draft calls an external pre-hash (section 10.5).
 *
 * OpenSSL does not know it, so it is composed here as the draft says; each signature is OpenSSL's. There is no
 * `KeyObject` of such a pair: the private and the public one are "secret" keys of the bytes that the draft serialises, and
 * serve only if they were loaded here.
 */
export const COMPOSITE_SIGNATURE: SignatureAlgorithm = Object.freeze<SignatureAlgorithm>({
  name: "ml-dsa-65-ed25519-sha512",
  hash: "sha512",
  encodings: Object.freeze(["raw"] as const),
  contextLength: 255,
  async sign(key, input, options) {
    const { mlDsa, ed25519 } = privateParts(key);
    const representative = representativeOf(input, options);
    return Buffer.concat([
      await make(ML_DSA, { kind: "message", key: mlDsa, input: representative, scheme: ML_DSA_SCHEME }),
      await make(ED25519, { kind: "message", key: ed25519, input: representative, scheme: ED25519_SCHEME }),
    ]);
  },
  async verify(publicKey, input, signature, options) {
    const { mlDsa, ed25519 } = publicParts(publicKey);
    const representative = representativeOf(input, options);
    if (signature.length !== SIGNATURE_LENGTH) return false;
    const byMlDsa = signature.subarray(0, SIGNATURE_ML_DSA);
    const byEd25519 = signature.subarray(SIGNATURE_ML_DSA);
    const job = { kind: "message", input: representative } as const;
    return (
      (await check(ML_DSA, { ...job, key: mlDsa, signature: byMlDsa, scheme: ML_DSA_SCHEME })) &&
      (await check(ED25519, { ...job, key: ed25519, signature: byEd25519, scheme: ED25519_SCHEME }))
    );
  },
});

interface Parts {
  readonly mlDsa: KeyObject;
  readonly ed25519: KeyObject;
}

/** What was loaded here. By its form a private key could be any key of 64 bytes. */
const privateKeys = new WeakSet<KeyObject>();
const publicKeys = new WeakSet<KeyObject>();

/** @param bytes {@link COMPOSITE_PRIVATE_LENGTH}. Copied: the caller zeroes its own. */
export function loadCompositePrivate(bytes: Uint8Array): KeyObject {
  return loaded(privateKeys, bytes);
}

/** @param bytes {@link COMPOSITE_PUBLIC_LENGTH}. */
export function loadCompositePublic(bytes: Uint8Array): KeyObject {
  return loaded(publicKeys, bytes);
}

function loaded(keys: WeakSet<KeyObject>, bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes);
  keys.add(key);
  return key;
}

/** Expanding a seed takes as long as signing with it. What is kept here goes when its key is collected. */
const opened = new WeakMap<KeyObject, Parts>();

/** The two keys of a private one. @throws BunkmsError `wrong_key_usage` for any other key. */
function privateParts(key: KeyObject): Parts {
  return partsOf(key, privateKeys, (bytes) => ({
    mlDsa: createPrivateKey({ key: bytes.subarray(0, 32), format: "raw-seed", asymmetricKeyType: "ml-dsa-65" }),
    ed25519: createPrivateKey({ key: bytes.subarray(32), format: "raw-private", asymmetricKeyType: "ed25519" }),
  }));
}

function publicParts(key: KeyObject): Parts {
  return partsOf(key, publicKeys, (bytes) => ({
    mlDsa: createPublicKey({
      key: bytes.subarray(0, PUBLIC_ML_DSA),
      format: "raw-public",
      asymmetricKeyType: "ml-dsa-65",
    }),
    ed25519: createPublicKey({
      key: bytes.subarray(PUBLIC_ML_DSA),
      format: "raw-public",
      asymmetricKeyType: "ed25519",
    }),
  }));
}

function partsOf(key: KeyObject, keys: WeakSet<KeyObject>, open: (bytes: Buffer) => Parts): Parts {
  if (!keys.has(key)) throw new BunkmsError("wrong_key_usage");
  const known = opened.get(key);
  if (known) return known;
  const bytes = key.export();
  try {
    const parts = open(bytes);
    opened.set(key, parts);
    return parts;
  } finally {
    wipe(bytes);
  }
}

/** The public key of a private one. */
export function compositePublicKey(key: KeyObject): Buffer {
  const { mlDsa, ed25519 } = privateParts(key);
  return Buffer.concat([mlDsa, ed25519].map((part) => createPublicKey(part).export({ format: "raw-public" })));
}

/** M' of draft section 2.2, which both sign. */
function representativeOf({ kind, bytes }: SignatureInput, options: SignatureOptions | undefined): Buffer {
  const context = options?.context ?? new Uint8Array(0);
  const digest = kind === "digest" ? checkedDigest("sha512", bytes) : createHash("sha512").update(bytes).digest();
  return Buffer.concat([PREFIX, LABEL, Buffer.of(context.length), context, digest]);
}
