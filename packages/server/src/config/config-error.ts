/**
 * The settings do not allow a start. The reasons name settings, files and rules, never a value that was given:
 * what stands in the wrong place may be a secret.
 */
export class ConfigError extends Error {
  /** All that is wrong, one sentence each; at least one. */
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join("\n"));
    this.name = "ConfigError";
    this.reasons = Object.freeze([...reasons]);
  }
}
