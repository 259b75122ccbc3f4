/** One thing that should have passed. */
export interface Failure {
  /** Where it is and what it says, for example `packages/a/b.test.ts › adds`. */
  readonly name: string;
  /** What went wrong, as printed. */
  readonly detail: string;
}

/** How a part of the suite went. */
export interface Tally {
  readonly passed: number;
  readonly failures: readonly Failure[];
}

/**
 * Replaces what looks like a token or a master key. Tests fail with what they were looking at, and the suite's output
 * goes to logs that others read.
 */
export function redact(text: string): string {
  return text
    .replaceAll(/bkms_[a-z]+_[A-Za-z0-9]{36}/g, "bkms_[redacted]")
    .replaceAll(/base64:[A-Za-z0-9+/]{43}=/g, "base64:[redacted]");
}

/** The last line of the suite, and nothing but it. */
export function closingLine({ passed, failures }: Tally): string {
  return `${passed} passed, ${failures.length} failed`;
}
