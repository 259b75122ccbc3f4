import { defineCommand, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { usage } from "../failure.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { formatTime, printLine, printMessage, printTable } from "../output.ts";
import { confirm, refuseUnasked } from "../prompt.ts";

const LISTED = 'Secrets are listed by "bunkms secret list", the versions of one by "bunkms secret versions NAME".';

/** What a command that is about one version of a secret fails with. */
export function ofVersion(error: unknown): unknown {
  return withAdvice(error, { not_found: LISTED });
}

/** `bunkms secret versions` */
export const versionsCommand = defineCommand({
  usage: "versions <name>",
  summary: "List the versions of a secret that are kept; never their values",
  options: [],
  examples: ["bunkms secret versions prod/db/password"],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const answer = await client.secrets.listSecretVersions({ name: required(invocation, 0) });
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    const rows = answer.versions.map((one) => [String(one.version), one.state, formatTime(one.createdAt)]);
    printTable(io, ["VERSION", "STATE", "STORED"], rows);
    return 0;
  },
});

/** `bunkms secret destroy-version` */
export const destroyVersionCommand = defineCommand<VersionOptions & { readonly yes?: boolean }>({
  usage: "destroy-version <name>",
  summary: "Destroy the value of one version of a secret",
  details:
    "For a value that was stored by mistake or that others know. It cannot be brought back; that there was such a version\n" +
    "stays visible, and the other versions stay. On a terminal it asks first; elsewhere --yes is needed.",
  options: [VERSION_OPTION("Which"), option("--yes", "Do not ask")],
  examples: ["bunkms secret destroy-version prod/db/password --version 3"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    const { version } = options;
    if (version === undefined) {
      throw usage("--version is missing", `They are listed by "bunkms secret versions ${name}".`);
    }
    refuseUnasked(io, options.yes, "destroying cannot be undone");
    const client = await invocation.connect();
    if (!options.yes && !(await confirm(io, `Destroy version ${version} of ${name}?`))) {
      throw usage("nothing was destroyed");
    }
    const destroyed = await client.secrets.destroySecretVersion({ name, version }).catch((error: unknown) => {
      throw ofVersion(error);
    });
    options.json ? printMessage(io, destroyed) : printLine(io, `${name} version ${version} destroyed`);
    return 0;
  },
});
