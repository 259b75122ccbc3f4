import { type CommandGroup, defineCommand, option, required } from "../command.ts";
import { usage } from "../failure.ts";
import { IN_OPTION, OUT_OPTIONS, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { openOut } from "../out-file.ts";
import { type BytesOptions, formatTime, printLine, printMessage, printTable, writeBytes } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions, parseCount } from "../pages.ts";
import { confirm, promptHidden, refuseUnasked } from "../prompt.ts";
import { destroyVersionCommand, ofVersion, versionsCommand } from "./secret-versions.ts";

interface PutOptions {
  readonly in?: string;
  readonly ifVersion?: number;
  readonly maxVersions?: number;
  readonly allowEmpty?: boolean;
}

const put = defineCommand<PutOptions>({
  usage: "put <name>",
  summary: "Store a value; under an existing name it becomes the next version",
  details:
    "The value comes from standard input or a file, byte for byte (printf '%s' adds no newline where echo does), or on\n" +
    "a terminal from a hidden prompt. Names are segments like a key's name, joined by /. Up to 512 KiB. An empty value,\n" +
    "which a pipe also gives when the command before it failed, is stored with --allow-empty only.\n" +
    "The last 100 versions are kept, or as many as --max-versions said last; older ones are destroyed.",
  options: [
    IN_OPTION(),
    option("--allow-empty", "Store a value also when it is empty"),
    option("--if-version <number>", "Only if this is the latest version; 0: only if there is none").argParser(
      parseLatest,
    ),
    option("--max-versions <count>", "Keep so many versions from now on, up to 1000").argParser(parseCount),
  ],
  examples: [
    "bunkms secret put prod/db/password",
    "printf '%s' \"$PASSWORD\" | bunkms secret put prod/db/password",
    "bunkms secret put prod/tls/key --in key.pem",
    "bunkms secret put prod/db/password --if-version 3",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const name = required(invocation, 0);
    const value = await readValue(io, options.in);
    if (value.length === 0 && !options.allowEmpty) {
      throw usage(
        "the value is empty; nothing was stored",
        "Did the command fail that should have given it? If it shall be empty: --allow-empty.",
      );
    }
    const { ifVersion, maxVersions = 0 } = options;
    const secret = await client.secrets.putSecret({
      name,
      data: { case: "valueB64", value },
      ...(ifVersion === undefined ? {} : { ifVersion }),
      maxVersions,
    });
    options.json ? printMessage(io, secret) : printLine(io, `${secret.name} version ${secret.version}`);
    return 0;
  },
});

const get = defineCommand<BytesOptions & VersionOptions>({
  usage: "get <name>",
  summary: "Print a secret's value",
  details: "Writes the value's bytes as they were stored, with nothing added. --json shows the metadata, too.",
  options: [VERSION_OPTION("Not the latest, but this one"), ...OUT_OPTIONS()],
  examples: [
    "bunkms secret get prod/db/password",
    "bunkms secret get prod/db/password --version 2",
    "bunkms secret get prod/tls/key --out key.pem",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    await using file = await openOut(options);
    const secret = await client.secrets
      .getSecret({ name: required(invocation, 0), version: options.version ?? 0 })
      .catch((error: unknown) => {
        throw ofVersion(error);
      });
    options.json ? printMessage(io, secret) : await writeBytes(io, secret.valueB64, file, options);
    return 0;
  },
});

const list = defineCommand<PageOptions & { readonly prefix?: string }>({
  usage: "list",
  summary: "List secrets in the order of their names; never their values",
  options: [option("--prefix <text>", "Only names that begin with this"), ...PAGE_OPTIONS()],
  examples: ["bunkms secret list", "bunkms secret list --prefix prod/ --all"],
  async run({ io, options, connect }) {
    const { secrets } = await connect();
    const prefix = options.prefix ?? "";
    const page = await fetchPages(options, "secrets", (request) => secrets.listSecrets({ ...request, prefix }));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.secrets.map((one) => [one.name, String(one.version), formatTime(one.updatedAt)]);
    printTable(io, ["NAME", "VERSION", "UPDATED"], rows);
    noteMore(io, page);
    return 0;
  },
});

const remove = defineCommand<{ readonly yes?: boolean }>({
  usage: "delete <name>",
  summary: "Destroy a secret with all its versions",
  details: "It cannot be brought back. On a terminal it asks first; elsewhere --yes is needed.",
  options: [option("--yes", "Do not ask")],
  examples: ["bunkms secret delete prod/db/password", "bunkms secret delete prod/db/password --yes"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    refuseUnasked(io, options.yes, "deleting cannot be undone");
    const client = await invocation.connect();
    if (!options.yes && !(await confirm(io, `Destroy ${name} with all its versions?`))) {
      throw usage("nothing was deleted");
    }
    const answer = await client.secrets.deleteSecret({ name });
    options.json ? printMessage(io, answer) : printLine(io, `${name} deleted`);
    return 0;
  },
});

/** `bunkms secret …` */
export const secretCommands: CommandGroup = {
  name: "secret",
  summary: "Store, read, list and delete secrets",
  commands: [put, get, list, versionsCommand, destroyVersionCommand, remove],
};

/** Reads the number of a latest version; 0: there is none. */
function parseLatest(text: string): number {
  return text === "0" ? 0 : parseCount(text);
}

async function readValue(io: Io, file: string | undefined): Promise<Buffer> {
  if (file !== undefined || !io.stdin.isTTY) {
    return await readInput(io, file, { what: "the value" });
  }
  const [value, again] = await promptHidden(io, ["Value (hidden): ", "Again: "]);
  if (value === undefined || again === undefined || !value.equals(again)) {
    throw usage("the two values differ; nothing was stored");
  }
  return value;
}
