import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileError } from "../../inputs.ts";
import { StoreError } from "./store-error.ts";

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

/** Reads the Go server's audit file: JSON, one entry a line. @throws StoreError `changed`, Failure */
export async function readOldAuditLog(path: string): Promise<OldAuditLog> {
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
  if (size === 0) {
    throw new StoreError("damaged", `${path} is empty`, "Leave --audit-log out when there was none.");
  }
  return { path, size, sha256: hash.digest("hex"), lines, strange, ...names };
}

function parseEntry(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
