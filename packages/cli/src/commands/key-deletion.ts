import type { BunkmsClient, PreviewKeyDeletionResponse } from "@bunkms/client";
import { defineCommand, type Invocation, option, required } from "../command.ts";
import { usage } from "../failure.ts";
import type { Io } from "../io.ts";
import { printKey, printVersions } from "../key-output.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { formatTime, printFields, printMessage } from "../output.ts";
import { parseCount } from "../pages.ts";
import { confirmByName, refuseUnasked } from "../prompt.ts";

interface ScheduleOptions extends VersionOptions {
  readonly windowDays?: number;
  readonly yes?: boolean;
}

/** `bunkms key schedule-deletion` */
export const scheduleDeletionCommand = defineCommand<ScheduleOptions>({
  usage: "schedule-deletion <name>",
  summary: "Stop every use of a key, or of one version, and destroy it after a window",
  details:
    "Until then bunkms key cancel-deletion keeps it; after that, what it encrypted is lost for good. The latest version is\n" +
    "destroyed with its key only. On a terminal it shows what is at stake, and the key's name must be typed; elsewhere\n" +
    "--yes is needed.",
  options: [
    VERSION_OPTION("Only this version"),
    option("--window-days <days>", "Days until then, 7 to 30; 30 by default").argParser(parseCount),
    option("--yes", "Do not ask"),
  ],
  examples: [
    "bunkms key schedule-deletion invoices --window-days 7",
    "bunkms key schedule-deletion invoices --version 1 --yes",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    refuseUnasked(io, options.yes, "what is destroyed cannot be brought back");
    const name = required(invocation, 0);
    const client = await invocation.connect();
    if (!options.yes) {
      await askForName(invocation, client, name);
    }
    const { version, windowDays = 0 } = options;
    const key =
      version === undefined
        ? await client.keyLife.scheduleKeyDeletion({ name, windowDays })
        : await client.keyLife.scheduleKeyVersionDeletion({ name, version, windowDays });
    printKey(invocation, key);
    return 0;
  },
});

/** `bunkms key deletion-preview` */
export const deletionPreviewCommand = defineCommand({
  usage: "deletion-preview <name>",
  summary: "Show what a key's deletion would orphan",
  details:
    "When each version was last used and how often, and the aliases that would lead nowhere. It deletes nothing.",
  examples: ["bunkms key deletion-preview invoices"],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const preview = await client.keyLife.previewKeyDeletion({ name: required(invocation, 0) });
    options.json ? printMessage(io, preview) : printPreview(io, preview);
    return 0;
  },
});

function printPreview(io: Io, { lastUsedAt, aliases, versions }: PreviewKeyDeletionResponse): void {
  printFields(io, [
    ["last used", formatTime(lastUsedAt) || "never"],
    ["aliases", aliases.map((alias) => `@${alias}`).join(", ") || "none"],
  ]);
  io.stdout.write("\n");
  printVersions(io, versions);
}

/** Shows what is at stake, and wants the key's own name, by whatever name it was called. */
async function askForName(
  { io, options }: Invocation<ScheduleOptions>,
  client: BunkmsClient,
  calledBy: string,
): Promise<void> {
  const { name } = await client.keys.getKey({ name: calledBy });
  const preview = await client.keyLife.previewKeyDeletion({ name });
  const versions = preview.versions.filter(({ version }) => version === (options.version ?? version));
  printPreview({ ...io, stdout: io.stderr }, { ...preview, versions });
  const what = options.version === undefined ? name : `version ${options.version} of ${name}`;
  if (!(await confirmByName(io, `To destroy ${what} after the window, type the key's name: `, name))) {
    throw usage("that is not the key's name; nothing was scheduled");
  }
}
