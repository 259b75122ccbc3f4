import { isIP } from "node:net";
import { type ExportedEntry, membersOf, timeOf } from "./exported-entry.ts";

const HEADER_BREAKS = /[\r\n\u2028\u2029]+/g;
/** Severity by outcome, 0 to 10; of other failures, 5. */
const SEVERITIES: ReadonlyMap<string, number> = new Map([
  ["ok", 3],
  ["permission_denied", 7],
  ["unauthenticated", 7],
  ["too_many_requests", 7],
]);
const OTHER_SEVERITY = 5;
const CRITICAL_SEVERITY = 9;

/**
 * An entry as a line of the ArcSight Common Event Format, version 0, without its newline. Empty members are left out. Custom
 * strings hold what the format has no key for: request id, resource, recorded fields of request and answer, and the log.
 */
export function cefLine(entry: ExportedEntry, version: string): string {
  const members = membersOf(entry) ?? {};
  const text = (name: string): string => (typeof members[name] === "string" ? members[name] : "");
  const operation = text("operation") || "unknown";
  const outcome = text("outcome");
  const isCritical = text("critical") === "true";
  const severity = isCritical ? CRITICAL_SEVERITY : (SEVERITIES.get(outcome) ?? OTHER_SEVERITY);
  const header = ["BunKMS", "BunKMS", version, operation, `${operation}: ${outcome || "unknown"}`, String(severity)];
  return `CEF:0|${header.map(escapeHeader).join("|")}|${extension(entry, text, members)}`;
}

function extension(
  entry: ExportedEntry,
  text: (name: string) => string,
  members: { readonly [name: string]: unknown },
): string {
  const source = text("source");
  const fields: readonly (readonly [key: string, value: string])[] = [
    ["rt", String(timeOf(entry) ?? "")],
    ["externalId", String(entry.index)],
    ["act", text("operation")],
    ["outcome", text("outcome")],
    ["suid", text("identity")],
    ["suser", text("identity_name")],
    ["spriv", text("role")],
    ["app", text("transport")],
    // The format's `src` holds addresses of IPv4 alone.
    ...(isIP(source) === 4 ? [["src", source] as const] : custom("c6a2", "Source IPv6 Address", source)),
    ...custom("cs1", "Request Id", text("request_id")),
    ...custom("cs2", "Resource", text("resource")),
    ...custom("cs3", "Request", json(members["request"])),
    ...custom("cs4", "Response", json(members["response"])),
    ...custom("cs5", "Log", entry.origin),
  ];
  return fields
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${escapeValue(value)}`)
    .join(" ");
}

function custom(key: string, label: string, value: string): readonly (readonly [string, string])[] {
  return value === ""
    ? []
    : [
        [key, value],
        [`${key}Label`, label],
      ];
}

/** Recorded fields; empty when there are none. */
function json(value: unknown): string {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0 ? JSON.stringify(value) : "";
}

/** A header has no escape for the end of a line, so there it is a blank. */
function escapeHeader(value: string): string {
  return value.replaceAll(/[\\|]/g, "\\$&").replaceAll(HEADER_BREAKS, " ");
}

function escapeValue(value: string): string {
  return value.replaceAll(/[\\=]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}
