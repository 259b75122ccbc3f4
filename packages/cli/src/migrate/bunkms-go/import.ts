import { createHash } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BunkmsApiError, type BunkmsClient, loadKeyBackup } from "@bunkms/client";
import { usage } from "../../failure.ts";
import { milliseconds } from "./go-time.ts";
import { legacyVersions, migratedKeyId, type Plan } from "./plan.ts";
import type { GoKey } from "./records.ts";

/** Something that was not brought in, because the server has another one. */
export interface Conflict {
  readonly kind: "key" | "secret";
  readonly name: string;
  readonly reason: string;
}

/** What was brought in. */
export interface Imported {
  readonly keys: number;
  readonly secrets: number;
  readonly conflicts: readonly Conflict[];
}

/**
 * The key to which the cluster's backups are sealed.
 * @param fingerprint SHA-256 that it must have, hexadecimal, as it was learnt over another channel; absent: TLS vouches for it.
 * @throws Failure when it has another one; BunkmsApiError, ConnectionError
 */
export async function backupKeyOf(client: BunkmsClient, fingerprint: string | undefined): Promise<Uint8Array> {
  const { publicKeyB64 } = await client.keyTransfer.getBackupKey({});
  // What the server says of its key is no proof: whoever stands between says what fits.
  const own = createHash("sha256").update(publicKeyB64).digest("hex");
  if (fingerprint !== undefined && fingerprint.toLowerCase() !== own) {
    throw usage(
      "the server's backup key has another fingerprint; nothing was brought in",
      "It may not be the server you mean.",
    );
  }
  return publicKeyB64;
}

/**
 * Brings in what the plan says, one after the other. Each is whole on the server or not there, so that a run that was interrupted
 * can be done again.
 * @param backupKey The cluster's, to which keys are sealed.
 * @param done Called after each.
 * @throws BunkmsApiError, ConnectionError
 */
export async function importAll(
  client: BunkmsClient,
  plan: Plan,
  masterKey: Uint8Array,
  backupKey: Uint8Array,
  done: () => void,
): Promise<Imported> {
  const { sealKeyBackup } = await loadKeyBackup();
  const conflicts: Conflict[] = [...plan.keys, ...plan.secrets].flatMap(({ item, action, reason = "" }) =>
    action === "conflict" ? [{ kind: item.kind, name: item.name, reason }] : [],
  );
  const count = { keys: 0, secrets: 0 };
  for (const { item, action } of plan.keys) {
    if (action === "import") {
      const backup = sealKeyBackup(backupKey, backedUp(item, masterKey));
      const isIn = await orConflict(client.keyTransfer.restoreKey({ name: item.name, backup }), item, conflicts);
      count.keys += isIn ? 1 : 0;
      done();
    }
  }
  for (const { item, action } of plan.secrets) {
    if (action === "import") {
      const request = {
        name: item.name,
        valueB64: item.value,
        createdAt: timestampFromMs(milliseconds(item.createdAt)),
      };
      const isIn = await orConflict(client.secrets.importSecret(request), item, conflicts);
      count.secrets += isIn ? 1 : 0;
      done();
    }
  }
  return { ...count, conflicts };
}

function backedUp(key: GoKey, masterKey: Uint8Array) {
  return {
    name: key.name,
    id: migratedKeyId(masterKey, key),
    type: key.type,
    purpose: key.type === "aes-256" ? "encrypt" : "sign",
    disabledAt: key.revokedAt === undefined ? undefined : milliseconds(key.revokedAt),
    createdAt: milliseconds(key.createdAt),
    versions: key.versions.map((version) => ({ ...version, createdAt: milliseconds(version.createdAt) })),
    legacyVersions: legacyVersions(key),
  } as const;
}

/** Somebody may have been faster since the plan was made. */
async function orConflict(
  call: Promise<unknown>,
  { kind, name }: Pick<Conflict, "kind" | "name">,
  conflicts: Conflict[],
): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof BunkmsApiError && error.code === "already_exists") {
      conflicts.push({ kind, name, reason: error.message });
      return false;
    }
    throw error;
  }
}
