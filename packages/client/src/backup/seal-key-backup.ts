import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { KeyBackupSchema } from "@bunkms/contract/record";
import { hpkeSealBase } from "./hpke-seal.ts";

/** Reads "bkmb" at the start of the base64 text. */
const MAGIC = Buffer.of(0x6e, 0x49, 0x9b);
const FORMAT = 1;
const INFO = Buffer.from("bunkms key backup v1");

/** One version of a key that is to be restored. */
export interface BackedUpVersion {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** SubjectPublicKeyInfo, DER; empty for a symmetric key. */
  readonly publicKey: Uint8Array;
  /** The raw key of a symmetric type, PKCS #8 DER of a key pair. Stays the caller's, who zeroes it. */
  readonly material: Uint8Array;
}

/** A key that comes from another service and is to be restored as if this cluster had backed it up. */
export interface BackedUpKey {
  readonly name: string;
  /** 16 bytes, the key's for ever: no two keys of a cluster have the same. */
  readonly id: Uint8Array;
  /** As the contract names types. */
  readonly type: string;
  readonly purpose: string;
  /** Since when it is disabled, milliseconds since 1970; undefined: it is enabled. */
  readonly disabledAt: number | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** From version 1 on, at least one. */
  readonly versions: readonly BackedUpVersion[];
  /** Versions up to this one also open ciphertexts of the Go BunKMS. */
  readonly legacyVersions: number;
}

/**
 * Makes a key backup (spec/backup.md) for RestoreKey: only the cluster of the backup key can open it.
 *
 * @param backupKey `public_key_b64` of GetBackupKey. Whoever can change it on its way can open what is sealed to it: let it
 * come over TLS, or compare its fingerprint.
 * @returns The text form.
 * @throws RequestError when the backup key is not sound.
 */
export function sealKeyBackup(backupKey: Uint8Array, key: BackedUpKey): string {
  const content = toBinary(
    KeyBackupSchema,
    create(KeyBackupSchema, {
      key: {
        name: key.name,
        id: key.id,
        type: key.type,
        purpose: key.purpose,
        state: key.disabledAt === undefined ? "enabled" : "disabled",
        disabledAtMs: BigInt(key.disabledAt ?? 0),
        createdAtMs: BigInt(key.createdAt),
        rotatedAtMs: BigInt(key.versions.at(-1)?.createdAt ?? key.createdAt),
        latestVersion: key.versions.length,
        legacyVersions: key.legacyVersions,
      },
      versions: key.versions.map(({ createdAt, publicKey, material }) => ({
        version: { createdAtMs: BigInt(createdAt), state: "enabled", publicKey },
        material,
      })),
      usage: {},
    }),
  );
  try {
    const fingerprint = createHash("sha256").update(backupKey).digest();
    const header = Buffer.concat([MAGIC, Buffer.of(FORMAT), fingerprint]);
    return Buffer.concat([header, hpkeSealBase(backupKey, INFO, header, content)]).toString("base64");
  } finally {
    content.fill(0);
  }
}
