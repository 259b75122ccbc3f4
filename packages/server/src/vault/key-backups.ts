import type { KeyObject } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { KeyBackupSchema } from "@bunkms/contract/record";
import { type HpkeRecipient, recipientOf } from "../crypto/hpke.ts";
import { wipe } from "../crypto/kdf.ts";
import { readBackupContent } from "./backup-content.ts";
import { BACKUP_OVERHEAD, openBackup, sealBackup } from "./backup-form.ts";
import type { StoredKey } from "./key-book.ts";
import { keyInfo } from "./key-info.ts";
import { refuseDestroyed } from "./key-life.ts";
import type { KeyUsage } from "./key-usage.ts";
import type { Keys, KeyWithVersions } from "./keys.ts";
import { both, type Plan } from "./plan.ts";

/** The longest backup, in bytes: as base64 text it fits into a request for restoring it. */
const LONGEST = (3 * 1024 * 1024) / 4 - 4 * 1024;

/** Backups of single keys, and their way back. */
export class KeyBackups {
  /** To whom backups are sealed that only this cluster can restore. */
  readonly own: HpkeRecipient;
  readonly #keys: Keys;
  readonly #usage: KeyUsage;
  readonly #seed: KeyObject;

  /** @param seed Of X-Wing, 32 bytes. */
  constructor(keys: Keys, usage: KeyUsage, seed: KeyObject) {
    this.#keys = keys;
    this.#usage = usage;
    this.#seed = seed;
    this.own = recipientOf(seed);
  }

  /**
   * Seals a key with all its versions. Nothing is changed: the plan holds while the key is as it was sealed.
   * @throws BunkmsError `not_found`, `wrong_key_state`, `wrong_key_usage` for another recipient when the key is not
   * exportable, `invalid_public_key`, `payload_too_large`, `conflict`
   */
  async seal(name: string, recipient: HpkeRecipient): Promise<Plan<Buffer>> {
    const epoch = this.#keys.useEpoch(name);
    const isCurrent = () => this.#keys.useEpoch(name) === epoch;
    const stored = await this.#keys.stored(name);
    requireBackedUp(stored, recipient.fingerprint.equals(this.own.fingerprint));
    const content = await this.#content(stored).catch((error: unknown) => {
      // A version that was destroyed meanwhile has no material any more.
      throw isCurrent() ? error : new BunkmsError("conflict");
    });
    try {
      if (content.length + BACKUP_OVERHEAD > LONGEST) {
        throw new BunkmsError("payload_too_large", "the key has more versions than a backup can hold");
      }
      return {
        result: sealBackup(recipient, content),
        changes: [],
        // It may be destroyed meanwhile.
        holds: isCurrent,
        committed: () => {},
        discard: () => {},
      };
    } finally {
      wipe(content);
    }
  }

  /**
   * Brings back the key of a backup.
   * @param name What it is to be called.
   * @throws BunkmsError `decryption_failed`, `already_exists`, and as `readBackupContent`
   */
  async restore(name: string, backup: Buffer, now: number): Promise<Plan<KeyWithVersions>> {
    const { record, versions, usage } = await readBackupContent(openBackup(this.#seed, backup), now);
    try {
      const restored = await this.#keys.restore({ ...record, name }, versions);
      const { key } = restored.result;
      const hasBudget = key.type.ciphers?.some(({ budget }) => budget !== undefined) ?? false;
      const latest = hasBudget ? { name: key.name, version: key.latestVersion } : undefined;
      return both(restored, await this.#usage.restore(key.id, usage, latest));
    } catch (error) {
      wipe(...versions.flatMap(({ material }) => material ?? []));
      throw error;
    }
  }

  async #content({ record, versions }: StoredKey): Promise<Buffer> {
    const key = keyInfo(record);
    const materials: Buffer[] = [];
    try {
      for (const { info } of versions) {
        materials.push(info.state === "destroyed" ? Buffer.alloc(0) : await this.#keys.material(key, info.version));
      }
      const bytes = toBinary(
        KeyBackupSchema,
        create(KeyBackupSchema, {
          key: record,
          // The check value is of this cluster alone.
          versions: versions.map(({ record: version }, i) => ({
            version: { ...version, materialCheck: new Uint8Array() },
            material: materials[i] as Buffer,
          })),
          usage: await this.#usage.stored(key.id),
        }),
      );
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } finally {
      wipe(...materials);
    }
  }
}

/** @throws BunkmsError `wrong_key_usage`, `wrong_key_state` */
function requireBackedUp({ record, versions }: StoredKey, isOwn: boolean): void {
  const key = keyInfo(record);
  // Whoever asks names the recipient, and may be it: what is sealed to another is as good as exported.
  if (!isOwn && !key.exportable) {
    throw new BunkmsError(
      "wrong_key_usage",
      "the key was not created exportable: it can be backed up for this cluster only",
    );
  }
  refuseDestroyed(key.state, "the key");
  if (versions.length === 0) {
    throw new BunkmsError("wrong_key_state", "the key is waiting for its import: there is nothing to back up");
  }
}
