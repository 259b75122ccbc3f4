import { messageToJson } from "@bunkms/client";
import { usage } from "./failure.ts";
import type { Io } from "./io.ts";
import { printFields, printLine, printNote } from "./output.ts";
import { ShareFiles } from "./share-files.ts";
import type { ShareFields, ShareOptions } from "./share-options.ts";

/** An answer with shares, and the files that they are in. */
export interface Issued<A> {
  readonly answer: A;
  /** Undefined when they are to be printed. */
  readonly files: readonly string[] | undefined;
  /** Why they are to be printed although files were asked for. */
  readonly failure: string | undefined;
}

type Answer = Parameters<typeof messageToJson>[0] & { readonly shares: readonly string[] };

/** Fields of an answer that are shares. */
const SHARE_MEMBERS = new Set(["keys", "keys_base64", "shares"]);

/**
 * Has shares made, and writes them into files where the options say so.
 * @param make Makes them; called when there is a place for them.
 * @throws Failure when there is no place; what `make` throws. When they cannot be written after all, it does not throw.
 */
export async function issueShares<A extends Answer>(
  { outFolder }: ShareOptions,
  { secretShares, shareRecipients }: ShareFields,
  make: () => Promise<A>,
): Promise<Issued<A>> {
  if (outFolder === undefined) {
    return { answer: await make(), files: undefined, failure: undefined };
  }
  if (secretShares === 0) {
    throw usage("--out-folder needs to know how many shares there will be", "Add --shares.");
  }
  await using files = await ShareFiles.reserve(outFolder, secretShares, shareRecipients.length > 0 ? ".age" : ".txt");
  const answer = await make();
  try {
    await files.write(answer.shares);
    return { answer, files: files.paths, failure: undefined };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    return { answer, files: undefined, failure: `cannot write the shares into ${outFolder}: ${code}` };
  }
}

/** Prints the shares, or where they are, and what to do with them. @param more What else is to be seen with them. */
export function printShares(
  io: Io,
  { answer, files, failure }: Issued<Answer>,
  more: readonly (readonly [name: string, value: string])[] = [],
): void {
  const shares = (files ?? answer.shares).map((text, at) => [`share ${at + 1}`, text] as const);
  if (shares.some(([, text]) => text.includes("\n"))) {
    for (const [name, text] of shares) {
      printLine(io, `${name}\n${text.trimEnd()}\n`);
    }
    printFields(io, more);
  } else {
    printFields(io, [...shares, ...more]);
  }
  if (failure !== undefined) {
    printNote(io, `Beware: ${failure}. They are above instead.`);
  }
  if (shares.length > 0) {
    printNote(io, files === undefined ? SHOWN_ONCE : IN_FILES);
  }
}

const SHOWN_ONCE =
  "The shares are shown this once. Give each to another person; nobody should have enough of them alone.";
const IN_FILES = "Give each file to another person, and destroy it here; nobody should have enough of them alone.";

/** The answer as the API's JSON, with the files' names in place of the shares that are in them. */
export function issuedJson({ answer, files }: Issued<Answer>): Readonly<Record<string, unknown>> {
  const json = Object.entries(messageToJson(answer) as Record<string, unknown>);
  return files === undefined
    ? Object.fromEntries(json)
    : { ...Object.fromEntries(json.filter(([name]) => !SHARE_MEMBERS.has(name))), files };
}
