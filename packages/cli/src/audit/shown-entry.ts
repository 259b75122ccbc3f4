import { option } from "../command.ts";
import type { membersOf } from "./exported-entry.ts";

type Members = NonNullable<ReturnType<typeof membersOf>>;

/** What an entry must have to be shown. All that is given must fit. */
export interface EntryFilters {
  readonly operation?: string;
  readonly resource?: string;
  /** A token's id or name. */
  readonly identity?: string;
  readonly outcome?: string;
  readonly request?: string;
}

/** Made anew for each command, since options know their command. */
export const FILTER_OPTIONS = () => [
  option("--operation <action>", "Only this, for example keys.encrypt"),
  option("--resource <resource>", "Only on this, for example key/invoices"),
  option("--identity <token>", "Only by this token's id or name"),
  option("--outcome <outcome>", "ok, or an error code such as permission_denied"),
  option("--request <id>", "Only the request with this id"),
];

/** Whether an entry fits. One that is no JSON object has nothing that could. */
export function fits(members: Members | undefined, filters: EntryFilters): boolean {
  const { operation, resource, identity, outcome, request } = filters;
  const has = (member: string, wanted: string | undefined) => wanted === undefined || members?.[member] === wanted;
  return (
    has("operation", operation) &&
    has("resource", resource) &&
    (has("identity", identity) || has("identity_name", identity)) &&
    has("outcome", outcome) &&
    has("request_id", request)
  );
}

/** An entry in one line, in the columns of `bunkms audit list`. */
export function entryLine(index: number, members: Members | undefined): string {
  const text = (...names: readonly string[]) => names.map((name) => textOf(members?.[name])).find((one) => one !== "");
  const columns = [
    text("time"),
    text("identity_name", "identity"),
    text("operation"),
    text("resource"),
    text("outcome"),
    text("source", "transport"),
  ];
  return [String(index), ...columns.map((column) => column ?? "-")].join("  ");
}

/** An entry's members, those of request and answer by themselves. */
export function printableFields(members: Members): readonly (readonly [string, string])[] {
  return Object.entries(members).flatMap(([name, value]) =>
    typeof value === "object" && value !== null
      ? Object.entries(value).map(([inner, one]) => [textOf(`${name}.${inner}`), textOf(one)] as const)
      : [[textOf(name), textOf(value)] as const],
  );
}

/** Recorded text is a caller's: a line end in it would make a line that looks like another field, or another entry. */
function textOf(value: unknown): string {
  const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/[\n\r\t]/g, (character) => JSON.stringify(character).slice(1, -1));
}
