import type { EncryptRequest } from "@bunkms/client";
import { option } from "./command.ts";
import { usage } from "./failure.ts";
import { readInput } from "./inputs.ts";
import type { Io } from "./io.ts";

/** Options for what a ciphertext is bound to. */
export interface AdditionalDataOptions {
  readonly aad?: string;
  readonly aadFile?: string;
  readonly context?: readonly string[];
}

/** The declarations of `AdditionalDataOptions`. */
export const ADDITIONAL_DATA_OPTIONS = () => [
  option("--aad <text>", "Bind to this text (not secret), needed again for decrypting").conflicts([
    "aadFile",
    "context",
  ]),
  option("--aad-file <file>", "Bind to this file's bytes").conflicts(["aad", "context"]),
  option("--context <name=value>", "Bind to named values; may be given several times")
    .argParser((pair: string, before: readonly string[] = []) => [...before, pair])
    .conflicts(["aad", "aadFile"]),
];

const AAD_LIMIT = 32 * 1024;

/** The request fields for what the options say. @throws Failure */
export async function additionalData(
  io: Io,
  options: AdditionalDataOptions,
): Promise<Partial<Pick<EncryptRequest, "binding" | "context">>> {
  if (options.aad !== undefined) {
    return { binding: { case: "aad", value: options.aad } };
  }
  if (options.aadFile !== undefined) {
    const value = await readInput(io, options.aadFile, { what: "the additional data", limit: AAD_LIMIT });
    return { binding: { case: "aadB64", value } };
  }
  return options.context === undefined ? {} : { context: parseContext(options.context) };
}

function parseContext(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw usage("--context: give name=value, for example --context tenant=acme");
    }
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  if (new Set(entries.map(([name]) => name)).size !== entries.length) {
    throw usage("--context: a name may stand only once");
  }
  return Object.fromEntries(entries);
}
