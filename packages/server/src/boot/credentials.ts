import { Credentials } from "../access/credentials.ts";
import { Jwts } from "../access/jwts.ts";
import { parseStrictJson } from "../api/strict-json.ts";
import type { Config } from "../config/config.ts";
import { secretKey } from "../crypto/keys.ts";

/** What callers may prove themselves by, as the settings say. @throws ConfigError when a file is not as it was any more. */
export function configuredCredentials({ jwt }: Config): Credentials {
  if (jwt === undefined) {
    return new Credentials();
  }
  const { secret, ...rules } = jwt;
  const bytes = secret.read();
  try {
    return new Credentials(new Jwts({ ...rules, key: secretKey(bytes), parseJson: parseStrictJson }));
  } finally {
    bytes.fill(0);
  }
}
