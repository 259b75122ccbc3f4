const PREFIX = "whsec_";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const MAX_SECRETS = 4;

/** Signing secrets that are not used. Its message never holds any of them. */
export class SecretsRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SecretsRefused";
  }
}

/**
 * Reads signing secrets in the form of Standard Webhooks, one a line: `whsec_` and 24 to 64 bytes in base64. With more than one
 * each batch has a signature of each, so that a receiver changes over without a gap.
 * @returns The keys, which the caller zeroes.
 * @throws SecretsRefused
 */
export function parseWebhookSecrets(bytes: Buffer): readonly Buffer[] {
  const lines = bytes
    .toString("latin1")
    .split(/\r?\n/)
    .filter((line) => line !== "");
  if (lines.length === 0 || lines.length > MAX_SECRETS) {
    throw new SecretsRefused(`must hold 1 to ${MAX_SECRETS} secrets, one a line`);
  }
  return lines.map((line) => {
    const text = line.startsWith(PREFIX) ? line.slice(PREFIX.length) : "";
    const key = Buffer.from(text, "base64");
    if (!BASE64.test(text) || key.length < MIN_BYTES || key.length > MAX_BYTES) {
      throw new SecretsRefused(`must hold secrets as ${PREFIX} and ${MIN_BYTES} to ${MAX_BYTES} bytes in base64`);
    }
    return key;
  });
}
