import type { Option } from "commander";
import { option } from "./command.ts";
import { usage } from "./failure.ts";
import { readInput } from "./inputs.ts";
import type { Io } from "./io.ts";
import { parseCount } from "./pages.ts";
import { repeatable } from "./pairs.ts";

/** Options of every command that makes shares. */
export interface ShareOptions {
  readonly shares?: number;
  readonly threshold?: number;
  readonly recipient?: readonly string[];
  readonly recipientsFile?: string;
  readonly outFolder?: string;
}

/** What a request says of shares. */
export interface ShareFields {
  /** 0: as many as there are recipients, or as the slot had before. */
  readonly secretShares: number;
  readonly secretThreshold: number;
  readonly shareRecipients: string[];
}

const RECIPIENTS_LIMIT = 64 * 1024;

/** The declarations of `ShareOptions`. */
export const SHARE_OPTIONS = (): readonly Option[] => [
  option("--shares <count>", "How many shares there are, up to 255").argParser(parseCount),
  option("--threshold <count>", "How many of them open the vault").argParser(parseCount),
  repeatable("--recipient <age>", "Encrypt a share to this age recipient, the first to the first").conflicts(
    "recipientsFile",
  ),
  option("--recipients-file <file>", "Likewise, to those of this file, one a line; # begins a remark"),
  option("--out-folder <folder>", "Write each share into a file of its own there, readable by its owner only"),
];

/** The request fields for what the options say. @throws Failure */
export async function shareFields(io: Io, options: ShareOptions): Promise<ShareFields> {
  const shareRecipients = await readRecipients(io, options);
  return {
    secretShares: options.shares ?? shareRecipients.length,
    secretThreshold: options.threshold ?? 0,
    shareRecipients,
  };
}

/** Whether any of the options was given. */
export function hasShareOptions({ shares, threshold, recipient, recipientsFile, outFolder }: ShareOptions): boolean {
  return [shares, threshold, recipient, recipientsFile, outFolder].some((given) => given !== undefined);
}

async function readRecipients(io: Io, { recipient, recipientsFile }: ShareOptions): Promise<string[]> {
  if (recipientsFile === undefined) {
    return [...(recipient ?? [])];
  }
  const text = await readInput(io, recipientsFile, { what: "the recipients", limit: RECIPIENTS_LIMIT });
  const recipients = text
    .toString("utf8")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (recipients.length === 0) {
    throw usage(`${recipientsFile} has no recipients`, "It has one a line, each beginning with age1.");
  }
  return recipients;
}
