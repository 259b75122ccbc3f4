import {
  type Checkpoint,
  NoteMalformed,
  type OpenedCheckpoint,
  parseTlogProof,
  type TlogProof,
  verifyLog,
  verifyTlogProof,
} from "@bunkms/tlog";
import { folderPlace, type LogPlace, serverPlace } from "../audit/log-place.ts";
import { checkpointFields, checkpointJson, describeProblem } from "../audit/log-verdict.ts";
import {
  handedOverBefore,
  openNote,
  orRefused,
  readTrust,
  refused,
  TRUST_OPTIONS,
  type TrustOptions,
} from "../audit/trust.ts";
import { defineCommand, type Invocation, option } from "../command.ts";
import { asFailure, type ExitCode } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import { readInput } from "../inputs.ts";
import { printFields, printJson, printLine, printNote } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";

interface VerifyOptions extends TrustOptions {
  readonly since?: string;
  readonly until?: string;
  readonly onlyNew?: boolean;
  readonly allowPruned?: boolean;
  readonly receipt?: string;
  readonly entry?: string;
}

const MAX_NOTE = 1024 * 1024;
const MAX_ENTRY = 64 * 1024;

/** `bunkms audit verify` */
export const auditVerifyCommand = defineCommand<VerifyOptions>({
  usage: "verify [folder]",
  summary: "Verify a mirror of the log, the server's log, or a receipt",
  details:
    "Rests on nothing but the log's public key, and on the witnesses if a policy names some. With a folder it asks no server:\n" +
    "all entries, all tiles, the root, the checkpoint's signature, and every hand-over are looked at. Without one, the\n" +
    "server's log is verified as it is fetched, which needs an admin token. --since and --until name checkpoints that were\n" +
    "kept: the ends of a range. Exits with 8, and says what is wrong and where, when it does not verify. Files that the\n" +
    "checkpoint's tree does not have are not looked at. --json prints one object whatever comes of it: docs/auditing.md.",
  options: [
    ...TRUST_OPTIONS(),
    option("--since <file>", "An older checkpoint, which the log must have grown from"),
    option("--until <file>", "A checkpoint to verify up to, in place of the newest"),
    option("--only-new", "Only entries since the one of --since"),
    option("--allow-pruned", "The oldest entries may be gone; the tree's hashes of them are verified"),
    option("--receipt <file>", "A receipt (.tlog-proof), and nothing else").conflicts([
      "since",
      "until",
      "onlyNew",
      "allowPruned",
    ]),
    option("--entry <file>", "The receipt's entry, if not the one that the receipt brings"),
  ],
  examples: [
    "bunkms audit verify log-mirror --key-file log.vkey",
    "bunkms audit verify log-mirror --key-file log.vkey --since checkpoint-2026-01-31 --only-new",
    "bunkms audit verify log-mirror --key-file log.vkey --since checkpoint-of-march --until checkpoint-of-april --only-new",
    "bunkms audit verify --policy policy.txt",
    "bunkms audit verify --receipt entry-1234.tlog-proof --key-file log.vkey",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    try {
      return await (options.receipt === undefined
        ? verifyWhole(invocation)
        : verifyReceipt(invocation, options.receipt));
    } catch (error) {
      // Whatever kept it from being verified is a verdict, too, for a program that reads nothing else.
      if (options.json) {
        printJson(io, { verified: false, problems: [{ message: asFailure(error).message }] });
      }
      throw error;
    }
  },
});

async function verifyWhole(invocation: Invocation<VerifyOptions>): Promise<ExitCode> {
  const { args, io, options } = invocation;
  if (options.entry !== undefined || (options.onlyNew && options.since === undefined)) {
    throw usage(options.entry === undefined ? "--only-new goes with --since" : "--entry goes with --receipt");
  }
  const folder = args[0];
  const place: LogPlace = folder === undefined ? serverPlace(await invocation.connect()) : folderPlace(folder);
  const trust = await readTrust(io, options, options.handovers === undefined ? await place.handovers() : undefined);
  const newest = openNote(`the checkpoint of ${place.name}`, await place.checkpoint(), trust);
  const opened = (await readKept(invocation, options.until, trust)) ?? newest;
  const since = (await readKept(invocation, options.since, trust))?.checkpoint;
  refuseWrongEnds(options, { newest: newest.checkpoint, until: opened.checkpoint, since });
  const progress = new ProgressLine(io);
  const report = await verifyLog(place.read, opened.checkpoint, {
    ahead: place.ahead,
    from: options.onlyNew ? (since?.size ?? 0) : 0,
    treeSize: newest.checkpoint.size,
    allowPruned: options.allowPruned ?? false,
    earlier: [...(since === undefined ? [] : [since]), ...handedOverBefore(trust, opened.checkpoint)],
    onProgress: (entries) => progress.show(() => `${entries} of ${opened.checkpoint.size} entries`),
  }).finally(() => progress.end());
  const verified = report.problems.length === 0;
  if (options.json) {
    printJson(io, {
      verified,
      ...checkpointJson(opened),
      entries_verified: report.entries,
      entries_pruned: report.pruned,
      problems: report.problems,
    });
  } else {
    printFields(io, [...checkpointFields(opened), ["verified entries", String(report.entries)]]);
    notLookedAt(report.pruned, options, { until: opened.checkpoint, since }).forEach(
      (line) => void printNote(io, line),
    );
    report.problems.forEach((problem) => void printLine(io, describeProblem(problem)));
    printLine(io, verified ? "verified" : `NOT verified: ${count(report.problems.length)}`);
  }
  return verified ? 0 : 8;
}

function count(problems: number): string {
  return problems === 1 ? "1 problem" : `${problems} problems`;
}

async function readKept(
  { io }: Invocation,
  file: string | undefined,
  trust: Awaited<ReturnType<typeof readTrust>>,
): Promise<OpenedCheckpoint | undefined> {
  return file === undefined
    ? undefined
    : openNote(file, await readInput(io, file, { what: file, limit: MAX_NOTE }), trust);
}

/** The ends of what is verified. */
interface Ends {
  readonly until: Checkpoint;
  readonly since: Checkpoint | undefined;
}

function refuseWrongEnds(
  options: VerifyOptions,
  { newest, until, since }: Ends & { readonly newest: Checkpoint },
): void {
  for (const [file, checkpoint] of [[options.until, until] as const, [options.since, since] as const]) {
    if (checkpoint !== undefined && checkpoint.origin !== newest.origin) {
      throw usage(`${file} is of another log: ${checkpoint.origin}`);
    }
  }
  if (options.until !== undefined && since !== undefined && since.size > until.size) {
    throw usage("the checkpoint of --since is of more entries than that of --until");
  }
  if (until.size > newest.size) {
    const message = `the log has ${newest.size} entries, fewer than the checkpoint of ${until.size} entries`;
    throw new Failure(8, `${message}: its end was cut off`);
  }
}

function notLookedAt(
  pruned: number,
  { onlyNew, until: file }: VerifyOptions,
  { until, since }: Ends,
): readonly string[] {
  return [
    ...(onlyNew ? [`Not looked at: entries before ${since?.size}, in whole bundles of 256.`] : []),
    ...(file === undefined ? [] : [`Not looked at: entries from ${until.size} on.`]),
    ...(pruned > 0 ? [`Not looked at: ${pruned} entries that were pruned, of which only the hashes are there.`] : []),
  ];
}

async function verifyReceipt({ args, io, options }: Invocation<VerifyOptions>, file: string): Promise<ExitCode> {
  if (args[0] !== undefined) {
    throw usage("give a folder or a receipt, not both");
  }
  const trust = await readTrust(io, options);
  const proof = parseReceipt(file, await readInput(io, file, { what: file, limit: 2 * MAX_NOTE }));
  const entry =
    options.entry === undefined
      ? proof.extra
      : await readInput(io, options.entry, { what: options.entry, limit: MAX_ENTRY });
  if (entry === undefined) {
    throw usage(`${file} does not bring its entry`, "Give it: --entry FILE.");
  }
  const opened = orRefused(file, proof.checkpoint, trust, () => verifyTlogProof(proof, entry, trust));
  if (options.json) {
    printJson(io, {
      verified: true,
      index: proof.index,
      entry_b64: entry.toString("base64"),
      ...checkpointJson(opened),
      problems: [],
    });
  } else {
    printFields(io, [["index", String(proof.index)], ["entry", entry.toString()], ...checkpointFields(opened)]);
    printLine(io, "verified");
  }
  return 0;
}

function parseReceipt(file: string, bytes: Uint8Array): TlogProof {
  try {
    return parseTlogProof(bytes);
  } catch (error) {
    throw error instanceof NoteMalformed ? refused(file, error) : error;
  }
}
