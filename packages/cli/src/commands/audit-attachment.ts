import { basename } from "node:path";
import { type Attachment, type BunkmsClient, loadAttachments } from "@bunkms/client";
import { defineCommand, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import { openInput } from "../file-input.ts";
import { writeStream, writeWhole } from "../file-output.ts";
import { formatTime, printLine, printMessage, printNote, printTable } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";
import { confirm, refuseUnasked } from "../prompt.ts";

const TAKEN = "Attachments are never replaced: give another --name.";
const LISTED = 'They are listed by "bunkms audit attachments".';

/** `bunkms audit attach` */
export const attachCommand = defineCommand<{ readonly name?: string }>({
  usage: "attach <file>",
  summary: "Take a file into the audit log's custody, such as the log of an older service",
  details:
    "The server keeps it sealed, and its SHA-256 and size are in the log. Up to 256 MiB; split or compress what is larger. When it\n" +
    "was interrupted, the same command goes on. Needs an admin token.",
  options: [option("--name <name>", "What the attachment is to be called (the file's name)")],
  examples: ["bunkms audit attach go-audit.log", "bunkms audit attach go-audit.log.1 --name go-audit.1"],
  async run(invocation) {
    const { io, options } = invocation;
    const file = required(invocation, 0);
    const client = await invocation.connect();
    const { sendAttachment } = await loadAttachments();
    await using input = await openInput(io, file);
    const made = await sendAttachment(client, options.name ?? basename(file), input.chunks).catch((error: unknown) => {
      throw withAdvice(error, { already_exists: TAKEN });
    });
    options.json ? printMessage(io, made) : printLine(io, `${made.name}  ${made.size} bytes  sha256 ${made.sha256}`);
    return 0;
  },
});

/** `bunkms audit attachments` */
export const attachmentsCommand = defineCommand<PageOptions>({
  usage: "attachments",
  summary: "List the attachments of the audit log",
  details: "What was begun and not finished is listed as well, with the time when it was begun.",
  options: PAGE_OPTIONS(),
  examples: ["bunkms audit attachments"],
  async run({ io, options, connect }) {
    const { attachments } = await connect();
    const page = await fetchPages(options, "attachments", (request) => attachments.listAttachments(request));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.attachments.map(({ name, size, createdAt, finishedAt, sha256 }) => [
      name,
      String(size),
      formatTime(finishedAt) || `no, begun ${formatTime(createdAt)}`,
      sha256,
    ]);
    printTable(io, ["NAME", "BYTES", "FINISHED", "SHA-256"], rows);
    noteMore(io, page);
    return 0;
  },
});

/** `bunkms audit attachment` */
export const attachmentCommand = defineCommand<{
  readonly out: string;
  readonly force?: boolean;
  readonly raw?: boolean;
}>({
  usage: "attachment <name>",
  summary: "Read an attachment back",
  details: "The file gets its name only when all of it is there and has the SHA-256 that was recorded.",
  options: [
    option("-o, --out <file>", "Write to this file, or to standard output with -").makeOptionMandatory(),
    option("--force", "Replace a file that is there"),
    option("--raw", "Write to a terminal, too"),
  ],
  examples: ["bunkms audit attachment go-audit.log -o go-audit.log"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    if (options.out === "-" && io.stdout.isTTY && !options.raw) {
      throw usage("a terminal would act on what is in the file", "Write it to a file: -o FILE, or insist: --raw.");
    }
    const client = await invocation.connect();
    const found = await findAttachment(client, name);
    const { readAttachment } = await loadAttachments();
    const pieces = readAttachment(client, found);
    const written = await (options.out === "-"
      ? writeStream(io.stdout, pieces)
      : writeWhole(options.out, options.force === true, pieces));
    if (options.json && options.out !== "-") {
      printMessage(io, found);
    } else if (found.sha256 === "") {
      printNote(io, `${written} bytes; it is not finished, so that nothing vouches for it`);
    }
    return 0;
  },
});

/** `bunkms audit remove-attachment` */
export const removeAttachmentCommand = defineCommand<{ readonly yes?: boolean }>({
  usage: "remove-attachment <name>",
  summary: "Remove an attachment, or what was begun of one",
  details:
    "It cannot be brought back; the log keeps its size and SHA-256. On a terminal it asks first; elsewhere --yes is needed.\n" +
    "While there is a legal hold, nothing is removed. Needs a root token.",
  options: [option("--yes", "Do not ask")],
  examples: ["bunkms audit remove-attachment go-audit.log", "bunkms audit remove-attachment go-audit.log --yes"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    refuseUnasked(io, options.yes, "removing cannot be undone");
    const client = await invocation.connect();
    if (!options.yes && !(await confirm(io, `Remove ${describe(await findAttachment(client, name))}, for good?`))) {
      throw usage("nothing was removed");
    }
    const removed = await client.attachments.removeAttachment({ name }).catch((error: unknown) => {
      throw withAdvice(error, { not_found: LISTED });
    });
    options.json ? printMessage(io, removed) : printLine(io, `${describe(removed)}: removed`);
    return 0;
  },
});

/** @throws Failure when there is none. */
async function findAttachment(client: BunkmsClient, name: string): Promise<Attachment> {
  const { attachments } = await client.attachments.listAttachments({ prefix: name, pageSize: 1 });
  const [found] = attachments;
  if (found?.name !== name) {
    throw new Failure(4, "there is no attachment of this name", LISTED);
  }
  return found;
}

function describe({ name, size, sha256 }: Attachment): string {
  return `${name}, ${size} bytes, ${sha256 === "" ? "unfinished" : `sha256 ${sha256}`}`;
}
