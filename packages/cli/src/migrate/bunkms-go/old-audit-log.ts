import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { usage } from "../../failure.ts";
import { fileError } from "../../inputs.ts";

/** What the Go server's audit file says that there is or was. */
export interface OldAuditLog {
  readonly path: string;
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly lines: number;
  /** Lines that are no entries. */
  readonly strange: number;
  /** Names of keys that were created, and of secrets that were stored. */
  readonly keys: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}

const STORED: ReadonlyMap<string, "keys" | "secrets"> = new Map([
  ["key_created", "keys"],
  ["key_rotated", "keys"],
  ["secret_put", "secrets"],
]);

/** What the server takes as one attachment. */
const MOST_BYTES = 256 * 1024 * 1024;

/**
 * Reads files of the Go server's audit log: JSON, one entry a line.
 * @throws Failure when one cannot be read, is empty, or larger than an attachment can be.
 */
export async function readOldAuditLogs(paths: readonly string[]): Promise<readonly OldAuditLog[]> {
  const logs: OldAuditLog[] = [];
  for (const path of paths) {
    logs.push(await readOne(path));
  }
  return logs;
}

async function readOne(path: string): Promise<OldAuditLog> {
  await refuseSize(path);
  const names = { keys: new Set<string>(), secrets: new Set<string>() };
  const hash = createHash("sha256");
  let size = 0;
  let lines = 0;
  let strange = 0;
  const file = createReadStream(path);
  try {
    file.on("data", (chunk) => {
      hash.update(chunk);
      size += chunk.length;
    });
    for await (const line of createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY })) {
      lines += 1;
      const entry = parseEntry(line);
      strange += entry === undefined ? 1 : 0;
      const of = STORED.get(String(entry?.["operation"]));
      if (of !== undefined && entry?.["success"] === true && typeof entry["resource"] === "string") {
        names[of].add(entry["resource"]);
      }
    }
  } catch (error) {
    throw fileError(path, error);
  }
  return { path, size, sha256: hash.digest("hex"), lines, strange, ...names };
}

async function refuseSize(path: string): Promise<void> {
  let size: number;
  try {
    ({ size } = await stat(path));
  } catch (error) {
    throw fileError(path, error);
  }
  if (size === 0) {
    throw usage(`${path} is empty`, "Leave --audit-log out when there was none.");
  }
  if (size > MOST_BYTES) {
    throw usage(
      `${path} is larger than ${MOST_BYTES / 1024 ** 2} MiB`,
      "Split it, for example by split -C 250m FILE, and give each part: --audit-log PART --audit-log PART.",
    );
  }
}

function parseEntry(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
