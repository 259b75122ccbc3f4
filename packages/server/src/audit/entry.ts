/** One access: who did what to what, from where, and how it ended. */
export interface AuditRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly requestId: string;
  /** Token id, name and role of the caller; absent when nobody was authenticated. */
  readonly identity?: { readonly id: string; readonly name: string; readonly role: string };
  /** Policy action; empty when no operation was found. */
  readonly operation: string;
  /** For example `key/invoices`; empty for none. */
  readonly resource: string;
  /** `ok`, or an error code. */
  readonly outcome: string;
  readonly source: string;
  readonly transport: string;
  /** Recorded fields of the request and of the answer: only what the contract allows, hashed where it says so. */
  readonly request: Readonly<Record<string, string>>;
  readonly response: Readonly<Record<string, string>>;
  /** Whether the operation can make all other protection void; absent: it cannot. */
  readonly critical?: boolean;
}

/**
 * An entry's bytes: one JSON object (RFC 8259) in UTF-8 with its members in this order and no white space.
 * The bytes, not the object, are the leaf: whoever verifies hashes them as they are.
 */
export function encodeEntry(record: AuditRecord): Buffer {
  return Buffer.from(
    JSON.stringify({
      v: 1,
      time: timeText(record.time),
      request_id: record.requestId,
      identity: record.identity?.id ?? "",
      identity_name: record.identity?.name ?? "",
      role: record.identity?.role ?? "",
      operation: record.operation,
      resource: record.resource,
      outcome: record.outcome,
      source: record.source,
      transport: record.transport,
      request: record.request,
      response: record.response,
      // Left out where it is undefined.
      critical: record.critical ? "true" : undefined,
    }),
  );
}

let lastSecond = { at: Number.NaN, text: "" };

/** RFC 3339, with milliseconds. Under load thousands of entries are of one second. */
function timeText(at: number): string {
  const second = Math.floor(at / 1000) * 1000;
  if (second !== lastSecond.at) {
    lastSecond = { at: second, text: new Date(second).toISOString().slice(0, -"000Z".length) };
  }
  return `${lastSecond.text}${String(Math.floor(at - second)).padStart(3, "0")}Z`;
}

/** An entry for what the server does by itself, or at its own console by whoever holds the master key. */
export function ownEntry(operation: string, resource: string, time: number): Buffer {
  return encodeEntry({
    time,
    requestId: "",
    operation,
    resource,
    outcome: "ok",
    source: "",
    transport: "local",
    request: {},
    response: {},
  });
}

/** What of an entry it is searched by. */
export interface EntryMarks {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Token id and name of the caller; empty when nobody was authenticated. */
  readonly identity: string;
  readonly identityName: string;
  readonly resource: string;
}

const TEXT = String.raw`(?:[^"\\]|\\.)*`;
const MARKS = new RegExp(
  `^\\{"v":1,"time":"([^"]*)","request_id":"${TEXT}","identity":"(${TEXT})","identity_name":"(${TEXT})",` +
    `"role":"${TEXT}","operation":"${TEXT}","resource":"(${TEXT})",`,
);

/** Reads the marks of an entry that `encodeEntry` wrote, in a third of the time that all of it takes; undefined of anything else. */
export function readMarks(bytes: Buffer): EntryMarks | undefined {
  const [, time = "", identity = "", identityName = "", resource = ""] = MARKS.exec(bytes.toString("utf8")) ?? [];
  return time === ""
    ? undefined
    : {
        time: Date.parse(time),
        identity: plain(identity),
        identityName: plain(identityName),
        resource: plain(resource),
      };
}

function plain(text: string): string {
  return text.includes("\\") ? JSON.parse(`"${text}"`) : text;
}

/** Reads an entry of the log, which nobody but `encodeEntry` wrote. */
export function decodeEntry(bytes: Buffer): AuditRecord {
  const json = JSON.parse(bytes.toString("utf8"));
  return {
    time: Date.parse(json.time),
    requestId: json.request_id,
    ...(json.identity === "" ? {} : { identity: { id: json.identity, name: json.identity_name, role: json.role } }),
    operation: json.operation,
    resource: json.resource,
    outcome: json.outcome,
    source: json.source,
    transport: json.transport,
    request: json.request,
    response: json.response,
    ...(json.critical === "true" ? { critical: true } : {}),
  };
}
