import { basename } from "node:path";
import { loadAttachments } from "@bunkms/client";
import { defineCommand, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { Failure } from "../failure.ts";
import { openInput } from "../file-input.ts";
import { writeStream, writeWhole } from "../file-output.ts";
import { formatTime, printLine, printMessage, printNote, printTable } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";

const TAKEN = "Attachments are never replaced: give another --name.";

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
  options: PAGE_OPTIONS(),
  examples: ["bunkms audit attachments"],
  async run({ io, options, connect }) {
    const { attachments } = await connect();
    const page = await fetchPages(options, "attachments", (request) => attachments.listAttachments(request));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.attachments.map(({ name, size, finishedAt, sha256 }) => [
      name,
      String(size),
      formatTime(finishedAt) || "unfinished",
      sha256,
    ]);
    printTable(io, ["NAME", "BYTES", "FINISHED", "SHA-256"], rows);
    noteMore(io, page);
    return 0;
  },
});

/** `bunkms audit attachment` */
export const attachmentCommand = defineCommand<{ readonly out: string; readonly force?: boolean }>({
  usage: "attachment <name>",
  summary: "Read an attachment back",
  details: "The file gets its name only when all of it is there and has the SHA-256 that was recorded.",
  options: [
    option("-o, --out <file>", "Write to this file, or to standard output with -").makeOptionMandatory(),
    option("--force", "Replace a file that is there"),
  ],
  examples: ["bunkms audit attachment go-audit.log -o go-audit.log"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    const client = await invocation.connect();
    const { attachments } = await client.attachments.listAttachments({ prefix: name, pageSize: 1 });
    const [found] = attachments;
    if (found?.name !== name) {
      throw new Failure(4, "there is no attachment of this name", 'They are listed by "bunkms audit attachments".');
    }
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
