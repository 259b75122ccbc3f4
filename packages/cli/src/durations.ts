import { usage } from "./failure.ts";

const UNIT_SECONDS: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3_600],
  ["d", 86_400],
]);
const DURATION = /^(?:\d{1,9}[smhd])+$/;
// RFC 3339 section 5.6; the parser itself would take more forms than that.
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** Reads a duration such as `90s`, `15m`, `24h`, `7d` or `1h30m`. @returns seconds. @throws Failure */
export function parseDuration(text: string, option: string): number {
  if (!DURATION.test(text)) {
    throw usage(`${option}: not a duration: give for example 90s, 15m, 24h or 7d`);
  }
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNIT_SECONDS.get(unit ?? "") ?? 0),
    0,
  );
}

/**
 * Reads a duration that the API takes as seconds in 32 bits, with 0 for something else.
 * @returns seconds, 1 or more. @throws Failure
 */
export function parseSeconds(text: string, option: string): number {
  const seconds = parseDuration(text, option);
  if (seconds === 0 || seconds > 0xffff_ffff) {
    throw usage(`${option}: must be more than nothing and less than a century`);
  }
  return seconds;
}

/** Writes seconds as `parseDuration` reads them, for example `90d` or `1h30m`. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  const parts: string[] = [];
  for (const [unit, length] of [...UNIT_SECONDS].toReversed()) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    parts.push(count === 0 ? "" : `${count}${unit}`);
  }
  return parts.join("") || "0s";
}

/** Reads a time: RFC 3339, or a duration before now. @throws Failure */
export function parseTime(text: string, option: string, now: Date): Date {
  if (DURATION.test(text)) {
    return new Date(now.getTime() - parseDuration(text, option) * 1000);
  }
  const time = new Date(text);
  if (!RFC_3339.test(text) || Number.isNaN(time.getTime())) {
    throw usage(`${option}: not a time: give for example 2026-01-31T09:30:00Z, or 1h for an hour ago`);
  }
  return time;
}
