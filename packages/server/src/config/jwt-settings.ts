import { ConfigError } from "./config-error.ts";
import type { HiddenText } from "./hidden-text.ts";
import { optional, readHidden } from "./seal-settings.ts";
import { label, type SettingValues } from "./settings.ts";

/** What the settings say of JWTs: none is taken without them. */
export interface JwtSettings {
  /** The key of HS256, at least 32 bytes. */
  readonly secret: HiddenText;
  /** Seconds that a JWT may still live at most. */
  readonly maxTtl: number;
  /** What `iss` must be, if anything. */
  readonly issuer?: string;
  /** What `aud` must have, if anything. */
  readonly audience?: string;
}

/** A key shorter than the hash's output is weaker than HMAC needs (RFC 7518 section 3.2). */
const LEAST_BYTES = 32;

/** @throws ConfigError */
export function readJwtSettings(values: SettingValues): JwtSettings | undefined {
  const { jwtSecret, jwtIssuer, jwtAudience, jwtMaxTtl = 0 } = values;
  const secret = readHidden(values, "jwtSecret", "jwtSecretFile");
  if (secret === undefined) {
    const without = (["jwtIssuer", "jwtAudience"] as const).find((name) => values[name] !== undefined);
    if (without !== undefined) {
      throw new ConfigError([`${label(without)}: there is no ${label("jwtSecret")} that it is for`]);
    }
    return undefined;
  }
  // Environment values are decoded as UTF-8: a byte that is none becomes U+FFFD, and the key would be another.
  if (jwtSecret?.includes("\ufffd")) {
    throw new ConfigError([`${label("jwtSecret")}: is not UTF-8; use ${label("jwtSecretFile")}`]);
  }
  const bytes = secret.read();
  const { length } = bytes;
  bytes.fill(0);
  if (length < LEAST_BYTES) {
    const name = label(jwtSecret === undefined ? "jwtSecretFile" : "jwtSecret");
    throw new ConfigError([`${name}: has fewer than ${LEAST_BYTES} bytes, which HS256 needs (RFC 7518 section 3.2)`]);
  }
  return { secret, maxTtl: jwtMaxTtl, ...optional("issuer", jwtIssuer), ...optional("audience", jwtAudience) };
}
