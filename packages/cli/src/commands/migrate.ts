import { type Attachment, type BunkmsClient, loadAttachments } from "@bunkms/client";
import { type CommandGroup, defineCommand, type Invocation, option } from "../command.ts";
import { usage } from "../failure.ts";
import { openInput } from "../file-input.ts";
import type { Io } from "../io.ts";
import type { MasterKeyOptions } from "../migrate/bunkms-go/master-key.ts";
import type { OldAuditLog } from "../migrate/bunkms-go/old-audit-log.ts";
import type { Done, Preview } from "../migrate/bunkms-go/report.ts";
import type { Sample } from "../migrate/bunkms-go/samples.ts";
import { printNote } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";
import { confirm } from "../prompt.ts";

interface MigrateOptions extends MasterKeyOptions {
  readonly data: string;
  readonly auditLog?: readonly string[];
  readonly sample?: readonly string[];
  readonly olderKeys?: boolean;
  readonly backupKeyFingerprint?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

const fromBunkmsGo = defineCommand<MigrateOptions>({
  usage: "from-bunkms-go",
  summary: "Bring keys, secrets and the audit file of the Go BunKMS to this server",
  details:
    "Stop the Go server with SIGTERM first: it writes its data only then. Its folder is opened for reading only. The plan is\n" +
    "shown first, with everything that cannot be carried over and why. Keys come with all versions and times, revoked ones\n" +
    "disabled, sealed to the server's backup key; what the Go server encrypted goes on to decrypt here. In the end the server\n" +
    "proves that it has all of it. Nothing is replaced; a run that was interrupted is just done again. Needs an admin token.\n" +
    "docs/migrating-from-bunkms-go.md has the whole way.",
  options: [
    option("--data <folder>", "The Go server's BUNKMS_DATA_PATH, or a copy of it").makeOptionMandatory(),
    option("--master-key-file <file>", "The Go server's master key (else BUNKMS_MASTER_KEY, or a hidden prompt)"),
    option("--master-key <source>", "The same: a file, env:NAME, or - for standard input; never the key itself"),
    option(
      "--audit-log <file>",
      "The Go server's audit file, compared and attached to this log; may be repeated",
    ).argParser(collect),
    option("--sample <key:file>", "Ciphertexts of the Go server to try, a line for each; may be repeated").argParser(
      collect,
    ),
    option("--older-keys", "Bring in older keys of the same name, too, which the Go server had forgotten at a start"),
    option("--backup-key-fingerprint <hex>", "What the server's backup key must have, as bunkms backup-key says there"),
    option("--dry-run", "Only show the plan"),
    option("--yes", "Do not ask"),
  ],
  examples: [
    "bunkms migrate from-bunkms-go --data ./data --master-key-file master.key --audit-log go-audit.log --dry-run",
    "bunkms migrate from-bunkms-go --data ./data --master-key-file master.key --audit-log go-audit.log --yes",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    refuseUnasked(io, options);
    const { readMasterKey } = await import("../migrate/bunkms-go/master-key.ts");
    const masterKey = await readMasterKey(io, options);
    try {
      return await migrate(invocation, masterKey);
    } finally {
      masterKey.fill(0);
    }
  },
});

/** `bunkms migrate …` */
export const migrateCommands: CommandGroup = {
  name: "migrate",
  summary: "Bring what another service keeps to this server",
  commands: [fromBunkmsGo],
};

async function migrate(invocation: Invocation<MigrateOptions>, masterKey: Buffer): Promise<0 | 5 | 7> {
  const { io, options } = invocation;
  const { readContents } = await import("../migrate/bunkms-go/contents.ts");
  const { readOldAuditLogs } = await import("../migrate/bunkms-go/old-audit-log.ts");
  const { wipeItem } = await import("../migrate/bunkms-go/records.ts");
  const { readSamples } = await import("../migrate/bunkms-go/samples.ts");
  const { makePlan } = await import("../migrate/bunkms-go/plan.ts");
  const { printDone, printPlan, printReport } = await import("../migrate/bunkms-go/report.ts");

  const samples = await readSamples(io, options.sample ?? []);
  const auditLogs = await readOldAuditLogs(options.auditLog ?? []);
  const order = { folder: options.data, auditLogs, olderKeys: options.olderKeys === true, now: io.now().getTime() };
  const contents = await readContents(order, masterKey);
  try {
    const client = await invocation.connect();
    const plan = await makePlan(client, contents, masterKey);
    const preview: Preview = { folder: options.data, contents, plan, auditLogs };
    if (!options.json) {
      printPlan(io, preview);
    }
    if (options.dryRun) {
      options.json && printReport(io, preview);
      return plan.keys.some(isConflict) || plan.secrets.some(isConflict) ? 5 : 0;
    }
    if (!options.yes && !(await confirm(io, "Bring it in?"))) {
      throw usage("nothing was brought in");
    }
    const done = await carryOut(invocation, client, preview, samples, masterKey);
    options.json ? printReport(io, preview, done) : printDone(io, done);
    return done.verified.mismatches.length > 0 ? 7 : done.imported.conflicts.length > 0 ? 5 : 0;
  } finally {
    for (const item of [...contents.keys, ...contents.secrets]) {
      wipeItem(item);
    }
  }
}

const isConflict = ({ action }: { readonly action: string }): boolean => action === "conflict";

async function carryOut(
  { io, options }: Invocation<MigrateOptions>,
  client: BunkmsClient,
  { plan, auditLogs }: Preview,
  samples: readonly Sample[],
  masterKey: Buffer,
): Promise<Done> {
  const { backupKeyOf, importAll } = await import("../migrate/bunkms-go/import.ts");
  const { verifyAll } = await import("../migrate/bunkms-go/verify.ts");
  const backupKey = await backupKeyOf(client, options.backupKeyFingerprint);
  const attachments: Attachment[] = [];
  for (const log of auditLogs) {
    attachments.push(await attach(io, client, log));
  }
  const progress = new ProgressLine(io);
  let count = 0;
  const imported = await importAll(client, plan, masterKey, backupKey, () => {
    count += 1;
    progress.show(() => `${count} brought in`);
  }).finally(() => progress.end());
  printNote(io, "Verifying …");
  return {
    imported,
    verified: await verifyAll(client, withoutConflicts(plan, imported.conflicts), samples),
    attachments,
  };
}

/** The audit file is taken in first: what it tells is needed most where the rest goes wrong. */
async function attach(io: Io, client: BunkmsClient, { path, sha256 }: OldAuditLog) {
  const { sendAttachment } = await loadAttachments();
  await using input = await openInput(io, path);
  return await sendAttachment(client, `bunkms-go-audit-${sha256.slice(0, 16)}.log`, input.chunks, sha256);
}

function withoutConflicts(
  { keys, secrets }: Preview["plan"],
  conflicts: readonly { readonly kind: string; readonly name: string }[],
): Preview["plan"] {
  const isIn = (kind: string, name: string) => !conflicts.some((one) => one.kind === kind && one.name === name);
  return {
    keys: keys.filter(({ item }) => isIn("key", item.name)),
    secrets: secrets.filter(({ item }) => isIn("secret", item.name)),
  };
}

/** @throws Failure when there will be nobody to say yes. */
function refuseUnasked(
  io: Io,
  { yes, dryRun, json, masterKey, masterKeyFile }: MigrateOptions & { json?: boolean },
): void {
  if (yes || dryRun) {
    return;
  }
  const comesFromInput = masterKey === "-" || (masterKey ?? masterKeyFile ?? io.env["BUNKMS_MASTER_KEY"]) === undefined;
  if (json || !io.stdin.isTTY || comesFromInput) {
    throw usage(
      "there is nobody to ask whether the plan is to be carried out",
      "Look at the plan with --dry-run; then add --yes.",
    );
  }
}
