import type { AuditHold } from "@bunkms/client";
import { InvalidArgumentError } from "commander";
import { isIndex } from "../audit/entry-index.ts";
import { defineCommand, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { usage } from "../failure.ts";
import { formatTime, printFields, printLine, printMessage, printNote, printTable } from "../output.ts";

/** `bunkms audit retention` */
export const auditRetentionCommand = defineCommand({
  usage: "retention",
  summary: "Show how much of the log is archived and pruned, and which legal holds there are",
  examples: ["bunkms audit retention"],
  async run({ io, options, connect }) {
    const { audit } = await connect();
    const answer = await audit.getAuditRetention({});
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    printFields(io, [
      ["entries", String(answer.size)],
      ["stored bytes", String(answer.storedBytes)],
      ["limit", answer.maxBytes === 0n ? "-" : String(answer.maxBytes)],
      ["archived before", String(answer.archived)],
      ["pruned before", String(answer.pruned)],
    ]);
    if (answer.holds.length > 0) {
      printLine(io, "");
      printTable(io, ["HOLD", "FROM", "UNTIL", "SET", "REASON"], answer.holds.map(holdRow));
    }
    return 0;
  },
});

interface ArchiveOptions {
  readonly before?: string;
}

/** `bunkms audit archive` */
export const auditArchiveCommand = defineCommand<ArchiveOptions>({
  usage: "archive",
  summary: "Write entries that are not archived yet to the server's archive folder",
  details:
    "Whole bundles of 256 entries are archived, all but the last, to the folder of BUNKMS_AUDIT_ARCHIVE, and a manifest of\n" +
    "them whose digest the log records. The log keeps them until they are pruned.",
  options: [option("--before <index>", "Only entries before this one").argParser(parseEnd)],
  examples: ["bunkms audit archive", "bunkms audit archive --before 512000"],
  async run({ io, options, connect }) {
    const { audit } = await connect();
    for (;;) {
      const answer = await audit.archiveAuditLog({ before: options.before ?? "" });
      if (options.json) {
        printMessage(io, answer);
      } else {
        printLine(io, `entries ${answer.first} to ${answer.end - 1n} are in the archive`);
        printLine(io, `${answer.manifest}  sha256 ${answer.manifestSha256}`);
      }
      if (!answer.more) {
        return 0;
      }
    }
  },
});

interface PruneOptions {
  readonly before?: string;
}

/** `bunkms audit prune` */
export const auditPruneCommand = defineCommand<PruneOptions>({
  usage: "prune",
  summary: "Remove archived entries from the server's store",
  details:
    "The archive is read back first. Hashes and proofs stay, and entries are read from the archive as long as it is there.\n" +
    "Entries under a legal hold are not pruned. Needs a root token.",
  options: [option("--before <index>", "Entries before this one, whole bundles of 256").argParser(parseEnd)],
  examples: ["bunkms audit prune --before 512000"],
  async run({ io, options, connect }) {
    if (options.before === undefined) {
      throw usage("--before is missing: it says up to which entry");
    }
    const { audit } = await connect();
    const answer = await audit.pruneAuditLog({ before: options.before });
    options.json ? printMessage(io, answer) : printLine(io, `entries before ${answer.pruned} are in the archive alone`);
    return 0;
  },
});

interface HoldOptions {
  readonly from?: string;
  readonly until?: string;
  readonly reason?: string;
}

/** `bunkms audit hold` */
export const auditHoldCommand = defineCommand<HoldOptions>({
  usage: "hold <name>",
  summary: "Set a legal hold: its entries cannot be pruned",
  details:
    "As long as there is any hold, no attachment is removed. Of a hold that is there, what it keeps and the reason are changed.",
  options: [
    option("--from <index>", "The first entry that it keeps; without it, the first of the log").argParser(parseIndex),
    option("--until <index>", "The entry after the last; without it, all that are to come, too").argParser(parseIndex),
    option("--reason <text>", "Why, for people"),
  ],
  examples: ["bunkms audit hold case-7 --from 512000 --reason 'the dispute of 2026'"],
  async run(invocation) {
    const { io, options, connect } = invocation;
    if (options.until !== undefined && Number(options.until) <= Number(options.from ?? 0)) {
      throw usage("--until is the entry after the last that is kept, and so larger than --from");
    }
    const { audit } = await connect();
    const answer = await audit.setAuditHold({
      name: required(invocation, 0),
      from: options.from ?? "",
      until: options.until ?? "",
      reason: options.reason ?? "",
    });
    options.json
      ? printMessage(io, answer)
      : printTable(io, ["HOLD", "FROM", "UNTIL", "SET", "REASON"], [holdRow(answer)]);
    return 0;
  },
});

/** `bunkms audit release-hold` */
export const auditReleaseHoldCommand = defineCommand({
  usage: "release-hold <name>",
  summary: "Release a legal hold",
  details:
    "Its entries can be pruned from then on; after the last hold, attachments can be removed. Needs a root token.",
  examples: ["bunkms audit release-hold case-7"],
  async run(invocation) {
    const { io, options, connect } = invocation;
    const name = required(invocation, 0);
    const { audit } = await connect();
    const answer = await audit.releaseAuditHold({ name }).catch((error: unknown) => {
      throw withAdvice(error, { not_found: 'Holds are shown by "bunkms audit retention".' });
    });
    options.json ? printMessage(io, answer) : printNote(io, `${name} is released`);
    return 0;
  },
});

function holdRow({ name, from, until, createdAt, reason }: AuditHold): string[] {
  return [name, String(from), until === 0n ? "-" : String(until), formatTime(createdAt), reason || "-"];
}

function parseIndex(text: string): string {
  if (!isIndex(text)) {
    throw new InvalidArgumentError("It must be a whole number of at most 15 digits.");
  }
  return text;
}

/** An index before which there are entries. */
function parseEnd(text: string): string {
  if (!isIndex(text) || text === "0") {
    throw new InvalidArgumentError("It must be a whole number from 1 on, of at most 15 digits.");
  }
  return text;
}
