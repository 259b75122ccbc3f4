import { folderPlace, serverPlace } from "../audit/log-place.ts";
import { checkpointFields, checkpointJson } from "../audit/log-verdict.ts";
import { mirrorLog } from "../audit/mirror-log.ts";
import { readTrust, TRUST_OPTIONS, type TrustOptions } from "../audit/trust.ts";
import { defineCommand, option, required } from "../command.ts";
import { Failure } from "../failure.ts";
import { printFields, printJson } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";

interface MirrorOptions extends TrustOptions {
  readonly whole?: boolean;
  readonly allowPruned?: boolean;
}

/** `bunkms audit mirror` */
export const auditMirrorCommand = defineCommand<MirrorOptions>({
  usage: "mirror <folder>",
  summary: "Keep a verified copy of the log in a folder",
  details:
    "Laid out as C2SP tlog-tiles says: checkpoint, tile/…, and handovers. Run again it fetches what is new. Each file is\n" +
    "verified before it is written, and the log must have grown from the checkpoint that is there: else it exits with 8 and\n" +
    "the checkpoint stays. Needs an admin token, since entries are fetched. Fetching is recorded, too.",
  options: [
    ...TRUST_OPTIONS(),
    option("--whole", "Look at all that should be there, and fetch what is missing"),
    option("--allow-pruned", "Do without the oldest entries, when the server has them no more"),
  ],
  examples: [
    "bunkms audit mirror log-mirror --key-file log.vkey",
    "bunkms audit mirror log-mirror --policy policy.txt --whole",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const folder = required(invocation, 0);
    const server = serverPlace(await invocation.connect());
    const handovers = await server.handovers();
    if (!handovers.startsWith(await folderPlace(folder).handovers())) {
      const message = `the server's hand-overs do not begin with those in ${folder}`;
      throw new Failure(8, `${message}: it is the mirror of another log, or the log was set back`);
    }
    const trust = await readTrust(io, options, handovers);
    const progress = new ProgressLine(io);
    const report = await mirrorLog(server, folder, trust, handovers, {
      whole: options.whole ?? false,
      allowPruned: options.allowPruned ?? false,
      onProgress: (entries, size) => progress.show(() => `${entries} of ${size} entries`),
    }).finally(() => progress.end());
    const { opened, before, fetched, pruned } = report;
    if (options.json) {
      printJson(io, { ...checkpointJson(opened), size_before: before, files_fetched: fetched, entries_pruned: pruned });
    } else {
      printFields(io, [
        ...checkpointFields(opened),
        ["new entries", String(opened.checkpoint.size - before)],
        ["files fetched", String(fetched)],
        ...(pruned === 0 ? [] : [["pruned entries", String(pruned)] as const]),
      ]);
    }
    return 0;
  },
});
