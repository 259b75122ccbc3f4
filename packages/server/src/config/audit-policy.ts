import { NoteMalformed, type Policy, parsePolicy } from "@bunkms/tlog";
import { ConfigError } from "./config-error.ts";
import { readSmallFile } from "./private-file.ts";

const MAX_BYTES = 1024 * 1024;

/**
 * Reads a policy of witnesses (C2SP tlog-policy). Nothing in it is secret.
 * @param what The setting that names the file, for the error.
 * @throws ConfigError with the number of the line that is wrong.
 */
export function readAuditPolicy(path: string, what: string): Policy {
  try {
    return parsePolicy(readSmallFile(path, what, MAX_BYTES).bytes);
  } catch (error) {
    throw error instanceof NoteMalformed ? new ConfigError([`${what}: ${error.message}`]) : error;
  }
}
