import { constants, createHash, type KeyObject, sign } from "node:crypto";
import type { SignatureAlgorithm, SignatureEncoding } from "../../packages/server/src/crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../../packages/server/src/crypto/key-types.ts";

/** A key pair that exists for these vectors only; DER in hexadecimal, as PKCS#8 and SubjectPublicKeyInfo. */
export interface TestKey {
  readonly key_type: string;
  readonly private_key: string;
  readonly public_key: string;
}

/** A signature and whether it is one; bytes in hexadecimal. */
export interface SignatureVector {
  readonly name: string;
  readonly key_type: string;
  readonly algorithm: string;
  readonly encoding: SignatureEncoding;
  /** Empty where the algorithm has none. */
  readonly context: string;
  readonly message: string;
  /** The message's digest, by the algorithm's hash; empty where the algorithm signs messages only. */
  readonly digest: string;
  readonly signature: string;
  readonly outcome: "valid" | "invalid";
}

/** The file spec/vectors/signatures.json. */
export interface SignatureFile {
  readonly keys: readonly TestKey[];
  readonly vectors: readonly SignatureVector[];
}

const MESSAGE = Buffer.from("a message to be signed");
const CONTEXT = Buffer.from("a context");

/**
 * Makes one test key of each type for signing, but SLH-DSA: its signatures of up to 50 KB would be all of the file.
 * @param existing Kept as they are.
 */
export async function makeTestKeys(existing: readonly TestKey[] = []): Promise<TestKey[]> {
  const keys: TestKey[] = [];
  for (const name of keyTypeNames()) {
    const type = findKeyType(name);
    if (!type?.signatures || name.startsWith("slh-dsa")) continue;
    const kept = existing.find(({ key_type }) => key_type === name);
    if (kept) {
      keys.push(kept);
      continue;
    }
    const { material, publicKey } = await type.generate();
    keys.push({ key_type: name, private_key: material.toString("hex"), public_key: publicKey.toString("hex") });
  }
  return keys;
}

/** Signs by every algorithm of every key, by message and by digest, and makes signatures that must not be taken. */
export async function signatureVectors(keys: readonly TestKey[]): Promise<SignatureVector[]> {
  const vectors: SignatureVector[] = [];
  for (const { key_type, private_key } of keys) {
    const type = findKeyType(key_type);
    const key = type?.load(Buffer.from(private_key, "hex"));
    if (!key) throw new Error(`no key type ${key_type}`);
    for (const algorithm of type?.signatures ?? []) {
      for (const encoding of algorithm.encodings) {
        vectors.push(...(await vectorsOf(key_type, key, algorithm, encoding)));
      }
    }
  }
  return vectors;
}

async function vectorsOf(
  key_type: string,
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  encoding: SignatureEncoding,
): Promise<SignatureVector[]> {
  const vectors: SignatureVector[] = [];
  const digest = algorithm.hash === undefined ? undefined : createHash(algorithm.hash).update(MESSAGE).digest();
  const add = (name: string, signature: Buffer, outcome: SignatureVector["outcome"], context = Buffer.alloc(0)) =>
    vectors.push({
      name: `${key_type}, ${algorithm.name}, ${encoding}: ${name}`,
      key_type,
      algorithm: algorithm.name,
      encoding,
      context: context.toString("hex"),
      message: MESSAGE.toString("hex"),
      digest: digest?.toString("hex") ?? "",
      signature: signature.toString("hex"),
      outcome,
    });
  const ofMessage = (bytes: Buffer, context?: Buffer) =>
    algorithm.sign(key, { kind: "message", bytes }, context ? { encoding, context } : { encoding });
  const byMessage = await ofMessage(MESSAGE);
  add("signed as a message", byMessage, "valid");
  if (digest) {
    add("signed as a digest", await algorithm.sign(key, { kind: "digest", bytes: digest }, { encoding }), "valid");
  }
  if (algorithm.contextLength > 0) {
    const inContext = await ofMessage(MESSAGE, CONTEXT);
    add("signed in a context", inContext, "valid", CONTEXT);
    add("signed in another context", inContext, "invalid");
  }
  add("of another message", await ofMessage(Buffer.of(1)), "invalid");
  add("empty", Buffer.alloc(0), "invalid");
  add("cut by a byte", byMessage.subarray(0, -1), "invalid");
  add("with a byte after it", Buffer.concat([byMessage, Buffer.alloc(1)]), "invalid");
  for (const [name, signature] of byOtherRules(key, algorithm, encoding)) add(name, signature, "invalid");
  return vectors;
}

/** Right signatures by rules that are not the algorithm's. */
function byOtherRules(
  key: KeyObject,
  { name, hash }: SignatureAlgorithm,
  encoding: SignatureEncoding,
): [string, Buffer][] {
  if (name === "ed25519ph") return [["by Ed25519", sign(null, MESSAGE, key)]];
  if (hash === undefined) return [];
  if (name.startsWith("ecdsa")) {
    const dsaEncoding = encoding === "der" ? "ieee-p1363" : "der";
    return [["in the other encoding", sign(hash, MESSAGE, { key, dsaEncoding })]];
  }
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;
  if (name.startsWith("rsa-pss")) {
    const pss = (saltLength: number) => sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PSS_PADDING, saltLength });
    const pkcs1 = sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PADDING });
    return [
      ["without a salt", pss(0)],
      ["with a salt of 20 bytes", pss(20)],
      ["with PKCS#1 v1.5 padding", pkcs1],
    ];
  }
  if (name.startsWith("rsa-pkcs1")) {
    return [["with PSS padding", sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PSS_PADDING })]];
  }
  return [];
}
