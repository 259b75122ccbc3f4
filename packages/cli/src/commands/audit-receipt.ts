import { adviseOnEntry, requireIndex } from "../audit/entry-index.ts";
import { defineCommand, option, required } from "../command.ts";
import { usage } from "../failure.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import { openOut } from "../out-file.ts";
import { printLine, printMessage, writeBytes } from "../output.ts";

const MAX_VALUE = 32 * 1024;

interface ReceiptOptions {
  readonly out?: string;
}

/** `bunkms audit receipt` */
export const auditReceiptCommand = defineCommand<ReceiptOptions>({
  usage: "receipt <index>",
  summary: "Fetch the proof that the log has an entry: a .tlog-proof file",
  details:
    "It holds the entry, its way to the tree's root, and the signed checkpoint (C2SP tlog-proof), so that it can be verified\n" +
    "without the server: bunkms audit verify --receipt. Of the token's own calls; with an admin token of all.",
  options: [option("--out <file>", "Write to this file, not to standard output")],
  examples: ["bunkms audit receipt 1234 --out entry-1234.tlog-proof"],
  async run(invocation) {
    const { io, options } = invocation;
    const index = requireIndex(required(invocation, 0));
    const { audit } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await audit.getAuditReceipt({ index }).catch((error: unknown) => {
      throw adviseOnEntry(error);
    });
    options.json ? printMessage(io, answer) : await writeBytes(io, Buffer.from(answer.proof), file);
    return 0;
  },
});

interface HashOptions {
  readonly field: string;
  readonly in?: string;
}

/** `bunkms audit hash` */
export const auditHashCommand = defineCommand<HashOptions>({
  usage: "hash [value]",
  summary: "Show what the log has in place of a value that is recorded hashed",
  details:
    "So that entries with it can be found. Without an argument the value is read from standard input, byte for byte: a final\n" +
    "newline counts. Others on this machine see arguments. Needs an admin token.",
  options: [
    option("--field <name>", "The field in which it was, as the API names it, for example aad").makeOptionMandatory(),
    IN_OPTION(),
  ],
  examples: ["bunkms audit hash 'row 7' --field aad", "printf '%s' 'row 7' | bunkms audit hash --field aad"],
  async run({ args: [value], io, options, connect }) {
    if (value !== undefined && options.in !== undefined) {
      throw usage("give the value as argument or with --in, not both");
    }
    const bytes =
      value === undefined
        ? await readInput(io, options.in, { what: "the value", limit: MAX_VALUE })
        : Buffer.from(value);
    const { audit } = await connect();
    const answer = await audit.hashAuditValue({ field: options.field, given: { case: "valueB64", value: bytes } });
    options.json ? printMessage(io, answer) : printLine(io, answer.hash);
    return 0;
  },
});
