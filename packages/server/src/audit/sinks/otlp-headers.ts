const MAX_HEADERS = 32;
/** Those that the sink sets itself, and those of one connection (RFC 9110 section 7.6.1). */
const OWN: ReadonlySet<string> = new Set(["content-type", "content-length", "host", "connection", "transfer-encoding"]);

/** Headers that are not used. Its message never holds any of them. */
export class HeadersRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "HeadersRefused";
  }
}

/**
 * Reads headers, `name: value` a line, for example `authorization: Bearer …`.
 * @throws HeadersRefused
 */
export function parseOtlpHeaders(bytes: Buffer): Readonly<Record<string, string>> {
  const lines = bytes
    .toString("latin1")
    .split(/\r?\n/)
    .filter((line) => line !== "");
  const headers = lines.map((line): readonly [string, string] => {
    const [, name = "", value = ""] = /^([A-Za-z0-9-]{1,64}):[ \t]*([\x21-\x7e][\x20-\x7e]{0,4095})$/.exec(line) ?? [];
    if (name === "" || OWN.has(name.toLowerCase())) {
      throw new HeadersRefused("must hold headers as NAME: VALUE, none of them one that the sink sets itself");
    }
    return [name.toLowerCase(), value];
  });
  const record = Object.fromEntries(headers);
  if (headers.length > MAX_HEADERS || Object.keys(record).length !== headers.length) {
    throw new HeadersRefused(`must hold ${MAX_HEADERS} headers at most, each once`);
  }
  return record;
}
