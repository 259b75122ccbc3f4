import { createPrivateKey, createSecretKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { CommittingCipher } from "./ciphertext.ts";
import type { GeneratedKey, KeyType, SignatureAlgorithm } from "./key-type.ts";
import { randomBytes, reseedOpenssl } from "./random.ts";
import { P256_SIGNATURES, P384_SIGNATURES, RSA_SIGNATURES } from "./signatures.ts";

const makeKeyPair = promisify(generateKeyPair);

const ENCODINGS = {
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "der" },
} as const;

const committingCipher = new CommittingCipher();

/** THE algorithm table. To add a key type, add a row; nothing else may switch on its name. */
const TABLE: ReadonlyMap<string, KeyType> = new Map(
  [
    aes256(),
    rsa(2048),
    rsa(3072),
    rsa(4096),
    ecdsa("ecdsa-p256", "prime256v1", P256_SIGNATURES),
    ecdsa("ecdsa-p384", "secp384r1", P384_SIGNATURES),
  ].map((type) => [type.name, Object.freeze(type)]),
);

/** The row of a key type, or undefined for a name that is none. A Map, so that `__proto__` is a name like any other. */
export function findKeyType(name: string): KeyType | undefined {
  return TABLE.get(name);
}

/** The names of all key types; the first is the default. */
export function keyTypeNames(): string[] {
  return [...TABLE.keys()];
}

/**
 * Drops whatever this process has derived from one key, or from all keys (when the vault is sealed). To be called when a
 * key is disabled or destroyed.
 *
 * @param keyId The key's id, 16 bytes.
 */
export function forgetKey(keyId?: Uint8Array): void {
  committingCipher.forget(keyId);
}

function aes256(): KeyType {
  return {
    name: "aes-256",
    purpose: "encrypt",
    generate: async () => ({ material: randomBytes(32), publicKey: Buffer.alloc(0) }),
    load(material) {
      if (material.length !== 32) throw misfit("aes-256");
      return createSecretKey(material);
    },
    cipher: committingCipher,
  };
}

function rsa(modulusLength: 2048 | 3072 | 4096): KeyType {
  const name = `rsa-${modulusLength}`;
  // The public exponent is OpenSSL's default, 65537 (FIPS 186-5 section A.1.1).
  const generate = async () => asGenerated(await makeKeyPair("rsa", { modulusLength, ...ENCODINGS }));
  const fits = (key: KeyObject) =>
    key.asymmetricKeyType === "rsa" && key.asymmetricKeyDetails?.modulusLength === modulusLength;
  return signingType(name, RSA_SIGNATURES, generate, fits);
}

function ecdsa(name: string, namedCurve: string, signatures: readonly SignatureAlgorithm[]): KeyType {
  const generate = async () => asGenerated(await makeKeyPair("ec", { namedCurve, ...ENCODINGS }));
  const fits = (key: KeyObject) =>
    key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve;
  return signingType(name, signatures, generate, fits);
}

function signingType(
  name: string,
  signatures: readonly SignatureAlgorithm[],
  generate: () => Promise<GeneratedKey>,
  fits: (key: KeyObject) => boolean,
): KeyType {
  return {
    name,
    purpose: "sign",
    signatures,
    generate() {
      reseedOpenssl();
      return generate();
    },
    load(material) {
      // A view, not a copy: createPrivateKey wants a Buffer and makes the copy itself.
      const der = Buffer.from(material.buffer, material.byteOffset, material.byteLength);
      const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
      if (!fits(key)) throw misfit(name);
      return key;
    },
  };
}

const asGenerated = (pair: { publicKey: Buffer; privateKey: Buffer }): GeneratedKey => ({
  material: pair.privateKey,
  publicKey: pair.publicKey,
});

/** Stored material that is not of its record's type: a fault of the store or of ours, never of a caller. */
const misfit = (name: string): Error => new Error(`the stored material is not a key of type ${name}`);
