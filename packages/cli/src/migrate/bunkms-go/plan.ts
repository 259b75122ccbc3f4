import { createHash, createHmac, hkdfSync } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { BunkmsApiError, type BunkmsClient, type Key } from "@bunkms/client";
import { parsePublicKeyOrBase64 } from "../../public-key-file.ts";
import type { GoContents } from "./contents.ts";
import { milliseconds } from "./go-time.ts";
import { type GoKey, type GoSecret, isEqual } from "./records.ts";

/** What is to be done with something: bring it in; nothing, as it is there already; nothing, as another one is there. */
export type Action = "import" | "there" | "conflict";

/** One key or secret of the plan. */
export interface Planned<T extends GoKey | GoSecret> {
  readonly item: T;
  readonly action: Action;
  /** Of a conflict. */
  readonly reason?: string;
  /** Whether what is there can be used, so that it can be verified; what is to be brought in tells it itself. */
  readonly isEnabled: boolean;
}

/** What a migration does. */
export interface Plan {
  readonly keys: readonly Planned<GoKey>[];
  readonly secrets: readonly Planned<GoSecret>[];
}

const ID_LENGTH = 16;
const ID_LABEL = "bunkms from-bunkms-go key id v1";

/**
 * Compares the Go server's data with what the server has.
 * @throws BunkmsApiError, ConnectionError
 */
export async function makePlan(client: BunkmsClient, contents: GoContents, masterKey: Uint8Array): Promise<Plan> {
  const keys: Planned<GoKey>[] = [];
  for (const item of contents.keys) {
    keys.push(planKey(item, await orAbsent(client.keys.getKey({ name: item.name })), migratedKeyId(masterKey, item)));
  }
  const secrets: Planned<GoSecret>[] = [];
  for (const item of contents.secrets) {
    secrets.push(planSecret(item, await orAbsent(client.secrets.getSecret({ name: item.name }))));
  }
  return { keys, secrets };
}

/**
 * The id that a key of the Go server gets here: always the same one for the same first version, so that a second run knows it
 * again, and one that only who has the master key can tell in advance.
 */
export function migratedKeyId(masterKey: Uint8Array, { name, type, createdAt, versions }: GoKey): Buffer {
  const idKey = Buffer.from(hkdfSync("sha256", masterKey, "", ID_LABEL, 32));
  const material = createHash("sha256")
    .update(versions[0]?.material ?? "")
    .digest();
  try {
    return createHmac("sha256", idKey)
      .update(`${type}\0${name}\0${createdAt}\0`)
      .update(material)
      .digest()
      .subarray(0, ID_LENGTH);
  } finally {
    idKey.fill(0);
    material.fill(0);
  }
}

/** How many of a key's versions open the Go server's ciphertexts. */
export function legacyVersions({ type, versions }: GoKey): number {
  return type === "aes-256" ? versions.length : 0;
}

function planKey(item: GoKey, there: Key | undefined, id: Buffer): Planned<GoKey> {
  if (there === undefined) {
    return { item, action: "import", isEnabled: item.revokedAt === undefined };
  }
  const reason = differenceOf(item, there, id);
  const isEnabled = there.state === "enabled" && there.versions.every(({ state }) => state === "enabled");
  return reason === undefined
    ? { item, action: "there", isEnabled }
    : { item, action: "conflict", reason, isEnabled: false };
}

/** Why the key that is there is not the one that is to be brought in, with what was done with it since. */
function differenceOf(item: GoKey, there: Key, id: Buffer): string | undefined {
  if (there.id !== id.toString("hex")) {
    return "another key of this name is there";
  }
  if (there.legacyVersions !== legacyVersions(item) || there.versions.length < item.versions.length) {
    return "the key was brought in before with other versions: the Go server's data changed since";
  }
  if (there.state === "destroyed") {
    return "the key was brought in before, and destroyed since";
  }
  if (item.revokedAt !== undefined && there.state === "enabled") {
    return "the key is revoked, and is enabled here";
  }
  const isSame = item.versions.every(({ createdAt, publicKey }, i) => {
    const version = there.versions[i];
    return (
      version?.createdAt !== undefined &&
      timestampMs(version.createdAt) === milliseconds(createdAt) &&
      (version.publicKeyPem === "" ? publicKey.length === 0 : publicKey.equals(derOf(version.publicKeyPem)))
    );
  });
  return isSame ? undefined : "the key was brought in before with other versions";
}

function planSecret(
  item: GoSecret,
  there: Awaited<ReturnType<BunkmsClient["secrets"]["getSecret"]>> | undefined,
): Planned<GoSecret> {
  if (there === undefined) {
    return { item, action: "import", isEnabled: true };
  }
  const isSame =
    there.version === 1 &&
    there.createdAt !== undefined &&
    timestampMs(there.createdAt) === milliseconds(item.createdAt) &&
    isEqual(there.valueB64, item.value);
  there.valueB64.fill(0);
  return isSame
    ? { item, action: "there", isEnabled: true }
    : { item, action: "conflict", reason: "another value or time is there under this name", isEnabled: true };
}

async function orAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof BunkmsApiError && error.code === "not_found") {
      return undefined;
    }
    throw error;
  }
}

function derOf(pem: string): Uint8Array {
  return parsePublicKeyOrBase64(Buffer.from(pem));
}
