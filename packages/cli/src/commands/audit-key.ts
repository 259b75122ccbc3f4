import { formatHandovers, parseVkey } from "@bunkms/tlog";
import { defineCommand, option } from "../command.ts";
import { usage } from "../failure.ts";
import { openOut } from "../out-file.ts";
import { formatTime, printFields, printLine, printMessage, printNote, printTable, writeBytes } from "../output.ts";

interface KeyOptions {
  readonly out?: string;
  readonly handovers?: string;
}

/** `bunkms audit key` */
export const auditKeyCommand = defineCommand<KeyOptions>({
  usage: "key",
  summary: "Show the public keys that the log's checkpoints are signed by",
  details:
    "Give one to auditors and witnesses by a way that does not lead through this server: they rest on it. After a rotation,\n" +
    "the hand-overs lead from each key to the next, so that who has an older one need not be told the new one.",
  options: [
    option("--out <file>", "Write the newest key to this file, as bunkms audit verify --key-file reads it"),
    option("--handovers <file>", "Write the hand-overs to this file"),
  ],
  examples: ["bunkms audit key", "bunkms audit key --out log.vkey --handovers handovers"],
  async run({ io, options, connect }) {
    if (options.out !== undefined && options.out === options.handovers) {
      throw usage("--out and --handovers name the same file");
    }
    const { audit } = await connect();
    await using keyFile = await openOut({ out: options.out });
    await using handoverFile = await openOut({ out: options.handovers });
    const answer = await audit.listAuditKeys({});
    await keyFile?.write(Buffer.from(`${answer.keys.at(-1)?.vkey ?? ""}\n`));
    const notes = answer.keys.map(({ handover }) => handover).filter((note) => note !== "");
    await handoverFile?.write(Buffer.from(formatHandovers(notes)));
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    printLine(io, answer.origin);
    printTable(
      io,
      ["VERSION", "KEY ID", "CREATED", "SIGNS", "KEY"],
      answer.keys.map(({ version, keyId, createdAt, active, vkey }) => [
        String(version),
        keyId,
        formatTime(createdAt),
        active ? "yes" : "no",
        vkey,
      ]),
    );
    return 0;
  },
});

/** `bunkms audit rotate-key` */
export const auditRotateKeyCommand = defineCommand({
  usage: "rotate-key",
  summary: "Make a new key for the log's checkpoints",
  details:
    "The present key hands over to it, and goes on signing beside it until the next rotation. Auditors who have the present\n" +
    "key follow the hand-over, which bunkms audit mirror fetches. Needs a root token.",
  examples: ["bunkms audit rotate-key"],
  async run({ io, options, connect }) {
    const { audit } = await connect();
    const answer = await audit.rotateAuditKey({});
    if (options.json) {
      printMessage(io, answer);
    } else {
      printFields(io, [
        ["version", String(answer.version)],
        ["key id", parseVkey(answer.vkey).id.toString("hex")],
        ["key", answer.vkey],
      ]);
      printNote(io, 'Tell auditors and witnesses. Hand-overs are shown by "bunkms audit key --handovers FILE".');
    }
    return 0;
  },
});

interface CheckpointOptions {
  readonly out?: string;
}

/** `bunkms audit checkpoint` */
export const auditCheckpointCommand = defineCommand<CheckpointOptions>({
  usage: "checkpoint",
  summary: "Print the log's newest signed checkpoint",
  details:
    "A few lines (C2SP tlog-checkpoint) that stand for all entries up to then. Who keeps one can tell later whether the log\n" +
    "grew from it: bunkms audit verify --since. It is not verified here.",
  options: [option("--out <file>", "Write to this file, not to standard output")],
  examples: ["bunkms audit checkpoint", "bunkms audit checkpoint --out checkpoint-2026-01-31"],
  async run({ io, options, connect }) {
    const { audit } = await connect();
    await using file = await openOut(options);
    const answer = await audit.getAuditCheckpoint({});
    options.json ? printMessage(io, answer) : await writeBytes(io, answer.data, file);
    return 0;
  },
});
