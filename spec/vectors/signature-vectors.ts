import { constants, createHash, type KeyObject, sign } from "node:crypto";
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
  readonly message: string;
  /** The message's digest, by the algorithm's hash. */
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

/** Makes one test key of each type for signing. */
export async function makeTestKeys(): Promise<TestKey[]> {
  const keys: TestKey[] = [];
  for (const name of keyTypeNames()) {
    const type = findKeyType(name);
    if (!type?.signatures) continue;
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
      const digest = createHash(algorithm.hash ?? "")
        .update(MESSAGE)
        .digest();
      const byMessage = await algorithm.sign(key, { kind: "message", bytes: MESSAGE });
      const byDigest = await algorithm.sign(key, { kind: "digest", bytes: digest });
      const add = (name: string, signature: Buffer, outcome: SignatureVector["outcome"]) =>
        vectors.push({
          name: `${key_type}, ${algorithm.name}: ${name}`,
          key_type,
          algorithm: algorithm.name,
          message: MESSAGE.toString("hex"),
          digest: digest.toString("hex"),
          signature: signature.toString("hex"),
          outcome,
        });
      add("signed as a message", byMessage, "valid");
      add("signed as a digest", byDigest, "valid");
      add("of another message", await algorithm.sign(key, { kind: "message", bytes: Buffer.of(1) }), "invalid");
      add("empty", Buffer.alloc(0), "invalid");
      add("cut by a byte", byMessage.subarray(0, -1), "invalid");
      add("with a byte after it", Buffer.concat([byMessage, Buffer.alloc(1)]), "invalid");
      for (const [name, signature] of byOtherRules(key, algorithm.name, algorithm.hash ?? ""))
        add(name, signature, "invalid");
    }
  }
  return vectors;
}

/** Right signatures by rules that are not the algorithm's. */
function byOtherRules(key: KeyObject, algorithm: string, hash: string): [string, Buffer][] {
  if (algorithm.startsWith("ecdsa")) {
    return [["as two numbers and not DER", sign(hash, MESSAGE, { key, dsaEncoding: "ieee-p1363" })]];
  }
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;
  if (algorithm.startsWith("rsa-pss")) {
    const pss = (saltLength: number) => sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PSS_PADDING, saltLength });
    const pkcs1 = sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PADDING });
    return [
      ["without a salt", pss(0)],
      ["with a salt of 20 bytes", pss(20)],
      ["with PKCS#1 v1.5 padding", pkcs1],
    ];
  }
  return [["with PSS padding", sign(hash, MESSAGE, { key, padding: RSA_PKCS1_PSS_PADDING })]];
}
