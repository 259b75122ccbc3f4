import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  type KeyPairExportResult,
} from "node:crypto";
import { promisify } from "node:util";
import { BunkmsError } from "@bunkms/contract";
import { wipe } from "../kdf.ts";
import type { GeneratedKey, KeyType } from "../key-type.ts";
import { reseedOpenssl } from "../random.ts";
import { pkcs8Fault } from "./pkcs8.ts";

type Pair = KeyPairExportResult<{
  publicKeyEncoding: { type: "spki"; format: "der" };
  privateKeyEncoding: { type: "pkcs8"; format: "der" };
}>;
type Generate = (type: string, options: object) => Promise<Pair>;

type RawKeyType = Exclude<
  Extract<Parameters<typeof createPrivateKey>[0], { format: "raw-seed" | "raw-private" }>["asymmetricKeyType"],
  undefined
>;

const makeKeyPair = promisify(generateKeyPair) as unknown as Generate;

const ENCODINGS = {
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "der" },
};

/** What tells one kind of key pair from another. */
export interface PairKind {
  /** The type's name, for errors. */
  readonly name: string;
  /** As `generateKeyPair` of `node:crypto` takes it. */
  readonly generate: { readonly type: string; readonly options?: object };
  /** Whether a key, private or public, is of this kind and size. */
  readonly fits: (key: KeyObject) => boolean;
  /** Why a key that OpenSSL could read is not one, for the caller who imports it: for example `must be on P-256`. */
  readonly must: string;
  /** Reads the raw form of a private key that the kind's standard has; absent: there is none. */
  readonly fromRaw?: (raw: Uint8Array) => KeyObject;
}

type PairMethods = Required<Pick<KeyType, "generate" | "accept" | "load" | "loadPublic">>;

/**
 * What is the same for all key pairs that OpenSSL makes and reads. Their material is PKCS#8 DER. Of PKCS#8 that is to be
 * imported, {@link pkcs8Fault} says which forms are taken; attributes are dropped.
 */
export function keyPair(kind: PairKind): PairMethods {
  const { name, generate, fits, must, fromRaw } = kind;
  return {
    async generate() {
      reseedOpenssl();
      const pair = await makeKeyPair(generate.type, { ...generate.options, ...ENCODINGS });
      return { material: pair.privateKey, publicKey: pair.publicKey };
    },
    accept(format, material) {
      const read = format === "pkcs8" ? fromPkcs8 : fromRaw;
      if (read === undefined) {
        throw invalidMaterial(`a key of type ${name} is imported as PKCS#8`);
      }
      const key = accepted(read, material, fits, `a key of type ${name} ${must}`);
      const fault = format === "pkcs8" ? pkcs8Fault(material, key.material, key.publicKey) : undefined;
      if (fault === undefined) return key;
      wipe(key.material);
      throw fault === "not-one-form" ? unreadable() : foreignPublicKey();
    },
    load(material) {
      const key = fromPkcs8(material);
      if (!fits(key)) throw misfit(name);
      return key;
    },
    loadPublic(spki) {
      const key = createPublicKey({ key: view(spki), format: "der", type: "spki" });
      if (!fits(key)) throw misfit(name);
      return key;
    },
  };
}

function accepted(
  read: (material: Uint8Array) => KeyObject,
  material: Uint8Array,
  fits: (key: KeyObject) => boolean,
  must: string,
): GeneratedKey {
  let der: Buffer;
  let publicKey: Buffer;
  try {
    const key = read(material);
    if (!fits(key)) throw invalidMaterial(must);
    // OpenSSL reads some keys that it cannot write, such as a scalar longer than its curve's.
    der = key.export({ format: "der", type: "pkcs8" });
    publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  } catch (error) {
    if (error instanceof BunkmsError) throw error;
    throw unreadable();
  }
  // A byte form of its own: what the caller sent may hold attributes, or a public key.
  const own = Buffer.allocUnsafeSlow(der.length);
  own.set(der);
  wipe(der);
  return { material: own, publicKey };
}

function fromPkcs8(material: Uint8Array): KeyObject {
  return createPrivateKey({ key: view(material), format: "der", type: "pkcs8" });
}

/**
 * Reads raw private keys: a `fromRaw`.
 * @param name The type's name, which OpenSSL knows the algorithm by.
 * @param format `raw-seed` where the standard's private key can be made anew from a seed (FIPS 203, FIPS 204).
 * @param length In bytes.
 */
export function rawPrivateKey(
  name: string,
  format: "raw-private" | "raw-seed",
  length: number,
): (raw: Uint8Array) => KeyObject {
  return (raw) => {
    if (raw.length !== length) throw invalidMaterial(`a raw key of type ${name} has ${length} bytes`);
    return createPrivateKey({ key: view(raw), format, asymmetricKeyType: name as RawKeyType });
  };
}

/** A view, not a copy: `node:crypto` wants a Buffer and makes the copy itself. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What a caller wants to import is not a key of the type. @param why Says nothing of the material. */
export function invalidMaterial(why: string): BunkmsError {
  return new BunkmsError("invalid_key_material", why);
}

const unreadable = (): BunkmsError => invalidMaterial("the key material is not a private key of the declared format");

/** What a caller wants to import has a public key beside the private one, and it is another's. */
export function foreignPublicKey(): BunkmsError {
  return invalidMaterial("the public key in the key material is not that of its private key");
}

/** Stored material that is not of its record's type: a fault of the store or of ours, never of a caller. */
export function misfit(name: string): Error {
  return new Error(`the stored material is not a key of type ${name}`);
}
