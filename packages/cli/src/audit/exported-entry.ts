import { isUtf8 } from "node:buffer";

/** An entry to be exported. */
export interface ExportedEntry {
  /** The log's. */
  readonly origin: string;
  readonly index: number;
  readonly bytes: Buffer;
}

type JsonObject = { readonly [name: string]: unknown };

/** An entry's members; undefined when it is no JSON object. */
export function membersOf({ bytes }: ExportedEntry): JsonObject | undefined {
  if (!isUtf8(bytes)) {
    return undefined;
  }
  try {
    const json: unknown = JSON.parse(bytes.toString());
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** When it was recorded, in milliseconds since 1970; undefined when it does not say. */
export function timeOf(entry: ExportedEntry): number | undefined {
  const time = membersOf(entry)?.["time"];
  const parsed = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** An entry as a line of JSON, without its newline. Its bytes stand in it as they are, where that makes no other line. */
export function jsonLine(entry: ExportedEntry): string {
  const { index, bytes } = entry;
  const isOneLine = !bytes.includes(0x0a) && !bytes.includes(0x0d);
  return isOneLine && membersOf(entry) !== undefined
    ? `{"index":${index},"entry":${bytes.toString()}}`
    : `{"index":${index},"entry_base64":"${bytes.toString("base64")}"}`;
}
