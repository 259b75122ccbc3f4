import { type Choice, chooseKey, chooseSecret } from "./generations.ts";
import { milliseconds } from "./go-time.ts";
import type { OldAuditLog } from "./old-audit-log.ts";
import { type Decoded, decodeKey, decodeSecret, type GoKey, type GoSecret, wipeItem } from "./records.ts";
import { type RecordKind, type StoreScan, scanStore } from "./scan.ts";

/** Something that is not carried over, or that whoever migrates should know. */
export interface Listed {
  readonly kind: RecordKind | "store" | "audit-log";
  readonly name: string;
  readonly reason: string;
  /** RFC 3339, where it is known. */
  readonly createdAt?: string;
  /** Offset in data.db, where it is of one place. */
  readonly offset?: number;
}

/** What the Go server's data hold: of each name the one thing that counts, and a list of all the rest. */
export interface GoContents {
  readonly scan: Pick<StoreScan, "pages" | "unwritten" | "leaves"> & { readonly records: number };
  readonly keys: readonly GoKey[];
  readonly secrets: readonly GoSecret[];
  /** Records that are older states or copies of what is carried over: nothing is lost with them. */
  readonly copies: number;
  readonly listed: readonly Listed[];
}

/** What this server takes. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$/;
const MOST_VALUE = 512 * 1024;
const CLOCK_SKEW_MS = 3_600_000;

/** What is to be read. */
export interface ContentsOrder {
  readonly folder: string;
  /** What the Go server's audit files say, to be compared with its data. */
  readonly auditLogs: readonly OldAuditLog[];
  /** Whether to take older keys of the same name, too, under names of their own. */
  readonly olderKeys: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Reads what a data folder of the Go BunKMS holds.
 * @throws StoreError as `scanStore`
 */
export async function readContents(order: ContentsOrder, masterKey: Uint8Array): Promise<GoContents> {
  const { folder, auditLogs, olderKeys, now } = order;
  const scan = await scanStore(folder, masterKey);
  const listed: Listed[] = [];
  const keys = choose(scan, "key", decodeKey, chooseKey, listed);
  const older = takeOlder(keys.older, olderKeys, listed);
  const secrets = choose(scan, "secret", (record) => decodeSecret(record, masterKey), chooseSecret, listed);
  const opened = { key: new Set(keys.names), secret: new Set(secrets.names) };
  listBroken(scan, opened, listed);
  listLost(auditLogs, opened, listed);
  return {
    scan: { pages: scan.pages, unwritten: scan.unwritten, leaves: scan.leaves, records: scan.records.length },
    keys: [...keys.chosen, ...older].filter((key) => isTaken(key, now, listed)),
    secrets: secrets.chosen.filter((secret) => isTaken(secret, now, listed)),
    copies: keys.copies + secrets.copies,
    listed,
  };
}

interface Chosen<T> {
  readonly names: readonly string[];
  readonly chosen: readonly T[];
  readonly copies: number;
  readonly older: readonly T[];
}

/**
 * Older keys of a name get one that tells when they were created. The Go server could not use them any more since it had
 * forgotten them, but there may be data that they encrypted.
 */
function takeOlder(older: readonly GoKey[], isWanted: boolean, listed: Listed[]): readonly GoKey[] {
  return older.flatMap((key) => {
    const name = `${key.name}.${rfc3339(key.createdAt).replaceAll(/[-:.]/g, "")}`;
    const count = `${key.versions.length} version${key.versions.length === 1 ? "" : "s"}`;
    const what = `an older key of the same name, with ${count}, that the Go server had forgotten at a start`;
    const how = isWanted ? `it is brought in as ${name}` : `--older-keys brings it in as ${name}`;
    listed.push({ kind: "key", name: key.name, reason: `${what}: ${how}`, createdAt: rfc3339(key.createdAt) });
    if (isWanted) {
      return [{ ...key, name }];
    }
    wipeItem(key);
    return [];
  });
}

function choose<T extends GoKey | GoSecret>(
  { records }: StoreScan,
  kind: RecordKind,
  decode: (record: StoreScan["records"][number]) => Decoded<T>,
  pick: (records: readonly T[]) => Choice<T>,
  listed: Listed[],
): Chosen<T> {
  const byName = new Map<string, T[]>();
  for (const record of records.filter((one) => one.kind === kind)) {
    const decoded = decode(record);
    if ("reason" in decoded) {
      listed.push({ kind, name: record.name, reason: decoded.reason, offset: record.offset });
    } else {
      byName.set(record.name, [...(byName.get(record.name) ?? []), decoded.ok]);
    }
  }
  const chosen: T[] = [];
  const older: T[] = [];
  let copies = 0;
  for (const [name, all] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const choice = pick(all);
    copies += choice.copies;
    older.push(...choice.older);
    for (const { createdAt, reason } of choice.superseded) {
      listed.push({ kind, name, reason, createdAt: rfc3339(createdAt) });
    }
    if (choice.chosen === undefined) {
      listed.push({ kind, name, reason: "it cannot be told which of its records is the newest: none is carried over" });
    } else {
      chosen.push(choice.chosen);
    }
  }
  return { names: [...byName.keys()], chosen, copies, older };
}

/** What is left of a record that was written over matters only if its name is nowhere whole, or if a leaf still counts it. */
function listBroken(
  { broken, strange, overwritten }: StoreScan,
  opened: Readonly<Record<RecordKind, ReadonlySet<string>>>,
  listed: Listed[],
): void {
  for (const { kind, name, offset, counted } of broken) {
    if (counted) {
      listed.push({ kind, name, reason: "its record does not open under the master key", offset });
    } else if (!opened[kind].has(name)) {
      listed.push({ kind, name, reason: "only a part of its record is left: the Go server wrote over it", offset });
    }
  }
  for (const { offset } of strange) {
    listed.push({ kind: "store", name: "", reason: "an entry that is neither a key nor a secret", offset });
  }
  if (overwritten > 0) {
    listed.push({
      kind: "store",
      name: "",
      reason: `${overwritten} entries were written over by the Go server, which ran out of room in a page`,
    });
  }
}

/** What the audit file has and the store has not, was in memory alone when the server ended, or was written over. */
function listLost(
  auditLogs: readonly OldAuditLog[],
  opened: Readonly<Record<RecordKind, ReadonlySet<string>>>,
  listed: Listed[],
): void {
  for (const [kind, member] of [
    ["key", "keys"],
    ["secret", "secrets"],
  ] as const) {
    for (const name of [...new Set(auditLogs.flatMap((log) => [...log[member]]))].sort()) {
      if (!opened[kind].has(name)) {
        listed.push({ kind, name, reason: "the audit file says that it was stored, but the store does not have it" });
      }
    }
  }
  for (const { path, strange, lines } of auditLogs.filter((log) => log.strange > 0)) {
    const reason = `${strange} of ${lines} lines are no entries; the file is taken in as it is`;
    listed.push({ kind: "audit-log", name: path, reason });
  }
}

function isTaken(item: GoKey | GoSecret, now: number, listed: Listed[]): boolean {
  const reason = whyNot(item, now);
  if (reason !== undefined) {
    listed.push({ kind: item.kind, name: item.name, reason, createdAt: rfc3339(item.createdAt) });
    wipeItem(item);
  }
  return reason === undefined;
}

function whyNot(item: GoKey | GoSecret, now: number): string | undefined {
  if (!NAME.test(item.name)) {
    return "its name is not one that this server takes";
  }
  const times = [item.createdAt, ...(item.kind === "key" ? item.versions.map(({ createdAt }) => createdAt) : [])];
  if (times.some((time) => time < 0n || milliseconds(time) > now + CLOCK_SKEW_MS)) {
    return "it was created before 1970 or in the future";
  }
  return item.kind === "secret" && item.value.length > MOST_VALUE ? "its value is larger than 512 KiB" : undefined;
}

/** To the millisecond, as this server keeps times. */
export function rfc3339(nanoseconds: bigint): string {
  return new Date(milliseconds(nanoseconds)).toISOString();
}
