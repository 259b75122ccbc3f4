import { parseTime } from "../durations.ts";
import { usage } from "../failure.ts";

/** Times as options give them: RFC 3339, or a duration before now. */
interface TimeOptions {
  readonly since?: string;
  readonly until?: string;
}

/** Reads `--since`, which is within the range, and `--until`, which is not. @throws Failure also when nothing is between them. */
export function parseTimes(options: TimeOptions, now: Date): { readonly since?: Date; readonly until?: Date } {
  const since = options.since === undefined ? undefined : parseTime(options.since, "--since", now);
  const until = options.until === undefined ? undefined : parseTime(options.until, "--until", now);
  if (since !== undefined && until !== undefined && until <= since) {
    throw usage("--until is not after --since, so that no entry is between them");
  }
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) };
}
