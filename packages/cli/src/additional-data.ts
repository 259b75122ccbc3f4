import type { EncryptRequest } from "@bunkms/client";
import { option } from "./command.ts";
import { readInput } from "./inputs.ts";
import type { Io } from "./io.ts";
import { parsePairs, repeatable } from "./pairs.ts";

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
  repeatable("--context <name=value>", "Bind to named values").conflicts(["aad", "aadFile"]),
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
  return options.context === undefined ? {} : { context: contextOf(options.context) };
}

/** The encryption context of repeated `--context` options. @throws Failure */
export function contextOf(pairs: readonly string[] | undefined): Record<string, string> {
  return parsePairs(pairs ?? [], "--context", "tenant=acme");
}
