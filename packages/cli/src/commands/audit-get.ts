import { adviseOnEntry, requireIndex } from "../audit/entry-index.ts";
import { jsonLine, membersOf } from "../audit/exported-entry.ts";
import { printableFields } from "../audit/shown-entry.ts";
import { defineCommand, required } from "../command.ts";
import { Failure } from "../failure.ts";
import { printFields, printJsonText } from "../output.ts";

/** `bunkms audit get` */
export const auditGetCommand = defineCommand({
  usage: "get <index>",
  summary: "Show one entry",
  details:
    'With all fields that were recorded; --json prints its very bytes after "entry":, as bunkms audit export does, unless a\n' +
    "terminal would act on them. An entry that was pruned is shown as long as the archive has it. Of the token's own calls;\n" +
    "with an admin token of all.",
  examples: ["bunkms audit get 1234"],
  async run(invocation) {
    const { io, options } = invocation;
    const index = requireIndex(required(invocation, 0));
    const { audit } = await invocation.connect();
    const { entryB64 } = await audit.getAuditReceipt({ index }).catch((error: unknown) => {
      throw adviseOnEntry(error);
    });
    const entry = { origin: "", index: Number(index), bytes: Buffer.from(entryB64) };
    if (options.json) {
      printJsonText(io, jsonLine(entry));
      return 0;
    }
    const members = membersOf(entry);
    if (members === undefined) {
      throw new Failure(7, `entry ${index} is no JSON object`, "--json prints it in base64.");
    }
    printFields(io, [["index", index], ...printableFields(members)]);
    return 0;
  },
});
