/** A time as Go writes it: RFC 3339 in UTC with up to nine decimals. */
const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/;

/** Nanoseconds since 1970 of a time as Go's JSON has it; undefined when it is none. */
export function parseGoTime(text: unknown): bigint | undefined {
  const parts = typeof text === "string" ? TIME.exec(text) : null;
  const seconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}Z`);
  return Number.isNaN(seconds) ? undefined : BigInt(seconds) * 1_000_000n + BigInt((parts?.[2] ?? "").padEnd(9, "0"));
}

/** Milliseconds since 1970, which is what this server keeps. */
export function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n);
}
