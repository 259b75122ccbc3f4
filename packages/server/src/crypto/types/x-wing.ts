import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  type KeyObject,
} from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { equal, wipe } from "../kdf.ts";
import type { GeneratedKey, KeyEncapsulation, KeyType } from "../key-type.ts";
import { randomBytes, reseedOpenssl } from "../random.ts";
import { ephemeralX25519, privateX25519, publicOf, publicX25519 } from "../x25519.ts";
import { invalidMaterial, misfit } from "./key-pair.ts";

const NAME = "x-wing";

// Bytes of X-Wing's parts (draft section 5.1), M of ML-KEM-768 and X of X25519.
const SEED_LENGTH = 32;
const PUBLIC_M = 1184;
const PUBLIC_LENGTH = PUBLIC_M + 32;
const CIPHERTEXT_M = 1088;
const CIPHERTEXT_LENGTH = CIPHERTEXT_M + 32;
/** `\./` and `/^\`. */
const LABEL = Buffer.from("5c2e2f2f5e5c", "hex");

// What stands before the key in its DER (draft section 5.8): id-XWing is 1.3.6.1.4.1.62253.25722, without parameters.
const SPKI_PREFIX = Buffer.from("308204d4300d060b2b0601040183e62d81c87a038204c100", "hex");
const PKCS8_PREFIX = Buffer.from("3034020100300d060b2b0601040183e62d81c87a0420", "hex");

/** What was loaded here. By its form a seed could be any key of 32 bytes. */
const privateKeys = new WeakSet<KeyObject>();
const publicKeys = new WeakSet<KeyObject>();

/**
 * X-Wing (draft-connolly-cfrg-xwing-kem-10): ML-KEM-768 and X25519, of which one must hold. OpenSSL does not know it, so
 * it is composed here as the draft says; every secret operation is OpenSSL's.
 *
 * Its material is the 32-byte seed that the draft calls the decapsulation key. There is no `KeyObject` of such a pair:
 * the private one is a secret key of those 32 bytes, and the public one a "secret" key of the 1,216 bytes that are public.
 * They serve only if they were loaded here.
 */
export const X_WING_TYPE: KeyType = {
  name: NAME,
  standard: "draft-connolly-cfrg-xwing-kem-10",
  purposes: ["agree"],
  generate: async () => withPublicKey(randomBytes(SEED_LENGTH)),
  accept(format, material) {
    const seed = format === "raw" ? material : afterPrefix(material, PKCS8_PREFIX);
    if (seed?.length !== SEED_LENGTH) {
      throw invalidMaterial(`a key of type ${NAME} is a seed of ${SEED_LENGTH} bytes, raw or as PKCS#8`);
    }
    const own = Buffer.allocUnsafeSlow(SEED_LENGTH);
    own.set(seed);
    return withPublicKey(own);
  },
  materialFormat: "raw",
  load(material) {
    if (material.length !== SEED_LENGTH) throw misfit(NAME);
    return loaded(privateKeys, material);
  },
  loadPublic(spki) {
    const bytes = afterPrefix(spki, SPKI_PREFIX);
    if (bytes?.length !== PUBLIC_LENGTH) throw misfit(NAME);
    return loaded(publicKeys, bytes);
  },
  encapsulation: Object.freeze({
    name: NAME,
    ciphertextLength: CIPHERTEXT_LENGTH,
    encapsulate: encapsulateXWing,
    decapsulate: decapsulateXWing,
  } satisfies KeyEncapsulation),
};

function loaded(keys: WeakSet<KeyObject>, bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes);
  keys.add(key);
  return key;
}

function afterPrefix(der: Uint8Array, prefix: Buffer): Uint8Array | undefined {
  return equal(der.subarray(0, prefix.length), prefix) ? der.subarray(prefix.length) : undefined;
}

function withPublicKey(seed: Buffer): GeneratedKey {
  const { publicM, publicX } = expand(seed);
  return { material: seed, publicKey: Buffer.concat([SPKI_PREFIX, publicM, publicX]) };
}

/** `expandDecapsulationKey` of draft section 5.2. */
function expand(seed: Buffer): { privateM: KeyObject; privateX: KeyObject; publicM: Buffer; publicX: Buffer } {
  const expanded = createHash("shake256", { outputLength: 96 }).update(seed).digest();
  try {
    const privateM = createPrivateKey({
      key: expanded.subarray(0, 64),
      format: "raw-seed",
      asymmetricKeyType: "ml-kem-768",
    });
    const privateX = privateX25519(expanded.subarray(64));
    const publicM = createPublicKey(privateM).export({ format: "raw-public" });
    return { privateM, privateX, publicM, publicX: publicOf(privateX) };
  } finally {
    wipe(expanded);
  }
}

/** `Encapsulate` of draft section 5.4. */
function encapsulateXWing(publicKey: KeyObject): { sharedSecret: Buffer; ciphertext: Buffer } {
  const bytes = bytesOf(publicKey, publicKeys);
  const publicX = bytes.subarray(PUBLIC_M);
  // OpenSSL checks here that the key's numbers are below the modulus (FIPS 203 section 7.2), as the draft demands.
  const publicM = createPublicKey({
    key: bytes.subarray(0, PUBLIC_M),
    format: "raw-public",
    asymmetricKeyType: "ml-kem-768",
  });
  const ephemeral = ephemeralX25519();
  const ciphertextX = publicOf(ephemeral);
  const secretX = diffieHellman({ privateKey: ephemeral, publicKey: publicX25519(publicX) });
  // See ml-kem.ts.
  reseedOpenssl();
  const { sharedKey: secretM, ciphertext: ciphertextM } = encapsulate(publicM);
  const sharedSecret = combine(secretM, secretX, ciphertextX, publicX);
  return { sharedSecret, ciphertext: Buffer.concat([ciphertextM, ciphertextX]) };
}

/** `Decapsulate` of draft section 5.5. */
function decapsulateXWing(key: KeyObject, ciphertext: Uint8Array): Buffer {
  const seed = bytesOf(key, privateKeys);
  try {
    if (ciphertext.length !== CIPHERTEXT_LENGTH) throw new BunkmsError("decryption_failed");
    const { privateM, privateX, publicX } = expand(seed);
    const ciphertextX = ciphertext.subarray(CIPHERTEXT_M);
    const secretX = agree(privateX, ciphertextX);
    const secretM = decapsulate(privateM, ciphertext.subarray(0, CIPHERTEXT_M));
    return combine(secretM, secretX, ciphertextX, publicX);
  } finally {
    wipe(seed);
  }
}

/**
 * A ciphertext whose point is of small order is made by nobody who encapsulates: its X25519 secret is all zero and known
 * to all. The draft would go on; OpenSSL refuses, as Go does, and that tells nothing that the point itself does not.
 */
function agree(privateKey: KeyObject, point: Uint8Array): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey: publicX25519(point) });
  } catch {
    throw new BunkmsError("decryption_failed");
  }
}

/** `Combiner` of draft section 5.3. Zeroes the two secrets. */
function combine(secretM: Buffer, secretX: Buffer, ciphertextX: Uint8Array, publicX: Uint8Array): Buffer {
  try {
    const hash = createHash("sha3-256");
    for (const part of [secretM, secretX, ciphertextX, publicX, LABEL]) hash.update(part);
    return hash.digest();
  } finally {
    wipe(secretM, secretX);
  }
}

function bytesOf(key: KeyObject, keys: WeakSet<KeyObject>): Buffer {
  if (!keys.has(key)) throw new BunkmsError("wrong_key_usage");
  return key.export();
}
