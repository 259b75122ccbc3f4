import { createPrivateKey, createPublicKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { decodeSecretBase64 } from "../../base64.ts";
import { parseGoTime } from "./go-time.ts";
import type { FoundRecord } from "./scan.ts";
import { openValue } from "./sealed-value.ts";

/** Key types of the Go server, as both servers call them. */
export const GO_KEY_TYPES = ["aes-256", "rsa-2048", "ecdsa-p256"] as const;
export type GoKeyType = (typeof GO_KEY_TYPES)[number];

/** One version of a key of the Go server. Times are nanoseconds since 1970. */
export interface GoKeyVersion {
  readonly createdAt: bigint;
  /** AES: the key. A pair: PKCS #8 DER. Its reader zeroes it in the end. */
  readonly material: Buffer;
  /** SubjectPublicKeyInfo, DER; empty for AES. */
  readonly publicKey: Buffer;
}

/** A key of the Go server, as one of its records has it. */
export interface GoKey {
  readonly kind: "key";
  readonly name: string;
  readonly type: GoKeyType;
  readonly createdAt: bigint;
  /** From version 1 on, at least one. */
  readonly versions: readonly GoKeyVersion[];
  readonly revokedAt: bigint | undefined;
}

/** A secret of the Go server, as one of its records has it. */
export interface GoSecret {
  readonly kind: "secret";
  readonly name: string;
  readonly createdAt: bigint;
  /** Its reader zeroes it in the end. */
  readonly value: Buffer;
}

/** What a record holds, or why it cannot be carried over. */
export type Decoded<T> = { readonly ok: T } | { readonly reason: string };

const MATERIAL = Buffer.from('"Material":"');
const QUOTE = 0x22;
const BLANK = 0x20;
const AES_LENGTH = 32;
const PEM_BEGIN = Buffer.from("-----BEGIN PRIVATE KEY-----");
const PEM_END = Buffer.from("-----END PRIVATE KEY-----");

const no = (reason: string): { readonly reason: string } => ({ reason });

/** Reads a key's record, and zeroes it. */
export function decodeKey(record: FoundRecord): Decoded<GoKey> {
  const materials = takeMaterials(record.content);
  const decoded = keyOf(record, materials);
  for (const material of materials) {
    material?.fill(0);
  }
  return decoded;
}

function keyOf(record: FoundRecord, materials: readonly (Buffer | undefined)[]): Decoded<GoKey> {
  const json = parseObject(record.content);
  record.content.fill(0);
  if (json === undefined) {
    return no("its record is not the JSON of a key");
  }
  if (json["Name"] !== record.name) {
    return no("its record holds a key of another name");
  }
  const type = GO_KEY_TYPES.find((known) => known === json["Type"]);
  if (type === undefined) {
    return no("its type is unknown");
  }
  const createdAt = parseGoTime(json["CreatedAt"]);
  const revoked = json["revoked_at"] ?? undefined;
  const revokedAt = parseGoTime(revoked);
  const list = Array.isArray(json["Versions"]) ? (json["Versions"] as unknown[]) : [];
  if (createdAt === undefined || (revoked !== undefined && revokedAt === undefined)) {
    return no("a time in its record cannot be read");
  }
  if (list.length === 0 || list.length !== materials.length) {
    return no("its record has no versions, or not one material for each");
  }
  const versions: GoKeyVersion[] = [];
  const giveUp = (reason: string): Decoded<GoKey> => {
    wipeVersions(versions);
    return no(reason);
  };
  for (const [i, one] of list.entries()) {
    const fields = isObject(one) ? one : {};
    const time = parseGoTime(fields["CreatedAt"]);
    const bytes = materials[i];
    if (fields["Version"] !== i + 1 || time === undefined || bytes === undefined) {
      return giveUp(`version ${i + 1} in its record cannot be read`);
    }
    const pair = type === "aes-256" ? aesMaterial(bytes) : pairMaterial(type, bytes);
    if (pair === undefined) {
      return giveUp(`the material of version ${i + 1} is not of type ${type}`);
    }
    versions.push({ createdAt: time, ...pair });
  }
  return { ok: { kind: "key", name: record.name, type, createdAt, versions, revokedAt } };
}

/** Reads a secret's record, whose value is sealed once more under the same master key, and zeroes it. */
export function decodeSecret(record: FoundRecord, masterKey: Uint8Array): Decoded<GoSecret> {
  const json = parseObject(record.content);
  record.content.fill(0);
  const createdAt = parseGoTime(json?.["CreatedAt"]);
  const ciphertext = json?.["Ciphertext"];
  if (json === undefined || createdAt === undefined || typeof ciphertext !== "string") {
    return no("its record is not the JSON of a secret");
  }
  if (json["Name"] !== record.name) {
    return no("its record holds a secret of another name");
  }
  const value = openValue(masterKey, Buffer.from(ciphertext, "base64"));
  return value === undefined
    ? no("its value does not open under the master key")
    : { ok: { kind: "secret", name: record.name, createdAt, value } };
}

/** Zeroes what a key or a secret holds. */
export function wipeItem(item: GoKey | GoSecret): void {
  if (item.kind === "key") {
    wipeVersions(item.versions);
  } else {
    item.value.fill(0);
  }
}

function wipeVersions(versions: readonly GoKeyVersion[]): void {
  for (const { material } of versions) {
    material.fill(0);
  }
}

/**
 * Takes the materials out of a key's JSON, so that none gets into a string, which nobody can zero. Go escapes quotes in names, so
 * that no name can hold the mark.
 */
function takeMaterials(content: Buffer): (Buffer | undefined)[] {
  const materials: (Buffer | undefined)[] = [];
  for (let at = content.indexOf(MATERIAL); at !== -1; at = content.indexOf(MATERIAL, at + 1)) {
    const begin = at + MATERIAL.length;
    const end = content.indexOf(QUOTE, begin);
    if (end === -1) {
      break;
    }
    materials.push(decodeSecretBase64(content.subarray(begin, end)));
    content.fill(BLANK, begin, end);
  }
  return materials;
}

function aesMaterial(bytes: Buffer): Pick<GoKeyVersion, "material" | "publicKey"> | undefined {
  return bytes.length === AES_LENGTH ? { material: Buffer.from(bytes), publicKey: Buffer.alloc(0) } : undefined;
}

function pairMaterial(type: GoKeyType, pem: Buffer): Pick<GoKeyVersion, "material" | "publicKey"> | undefined {
  const begin = pem.indexOf(PEM_BEGIN);
  const end = pem.indexOf(PEM_END);
  const der = begin === 0 && end > 0 ? decodeSecretBase64(pem.subarray(PEM_BEGIN.length, end)) : undefined;
  if (der === undefined) {
    return undefined;
  }
  const key = privateKey(der);
  if (key === undefined || !isOfType(key, type)) {
    der.fill(0);
    return undefined;
  }
  return { material: der, publicKey: createPublicKey(key).export({ type: "spki", format: "der" }) };
}

/** A key pair's private key; undefined when the material is none. */
export function privateKey(pkcs8: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}

function isOfType({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, type: GoKeyType): boolean {
  return type === "rsa-2048"
    ? asymmetricKeyType === "rsa" && asymmetricKeyDetails?.modulusLength === 2048
    : asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1";
}

function parseObject(content: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(content.toString("utf8"));
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** In time that depends on the lengths alone. */
export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
