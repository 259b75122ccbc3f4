import type { Alias } from "@bunkms/client";
import { type CommandGroup, defineCommand, type Invocation, option, required } from "../command.ts";
import { formatTime, printFields, printLine, printMessage, printTable } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";

const set = defineCommand({
  usage: "set <alias> <key>",
  summary: "Make an alias of a key, or move it to another key",
  details:
    "Wherever a command takes a key's name, it takes @ and an alias, too. Moving is one step: at no moment does the alias\n" +
    "lead nowhere.",
  examples: ["bunkms alias set current invoices-2026", "printf '%s' 'attack at dawn' | bunkms encrypt @current"],
  async run(invocation) {
    const { aliases } = await invocation.connect();
    printAlias(invocation, await aliases.setAlias({ alias: aliasOf(invocation), keyName: required(invocation, 1) }));
    return 0;
  },
});

const get = defineCommand({
  usage: "get <alias>",
  summary: "Show the key that an alias leads to",
  examples: ["bunkms alias get current"],
  async run(invocation) {
    const { aliases } = await invocation.connect();
    printAlias(invocation, await aliases.getAlias({ alias: aliasOf(invocation) }));
    return 0;
  },
});

const list = defineCommand<PageOptions & { readonly prefix?: string; readonly key?: string }>({
  usage: "list",
  summary: "List aliases in the order of their names",
  options: [
    option("--prefix <text>", "Only aliases that begin with this"),
    option("--key <name>", "Only those of this key"),
    ...PAGE_OPTIONS(),
  ],
  examples: ["bunkms alias list", "bunkms alias list --key invoices-2026"],
  async run({ io, options, connect }) {
    const { aliases } = await connect();
    const filters = { prefix: options.prefix ?? "", keyName: options.key ?? "" };
    const page = await fetchPages(options, "aliases", (request) => aliases.listAliases({ ...request, ...filters }));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.aliases.map((one) => [`@${one.alias}`, one.keyName, formatTime(one.updatedAt)]);
    printTable(io, ["ALIAS", "KEY", "UPDATED"], rows);
    noteMore(io, page);
    return 0;
  },
});

const remove = defineCommand({
  usage: "delete <alias>",
  summary: "Remove an alias; its key stays",
  examples: ["bunkms alias delete current"],
  async run(invocation) {
    const { aliases } = await invocation.connect();
    const alias = aliasOf(invocation);
    const answer = await aliases.deleteAlias({ alias });
    invocation.options.json ? printMessage(invocation.io, answer) : printLine(invocation.io, `@${alias} deleted`);
    return 0;
  },
});

/** `bunkms alias …` */
export const aliasCommands: CommandGroup = {
  name: "alias",
  summary: "Give keys second names, and move them",
  commands: [set, get, list, remove],
};

/** With or without its `@`: where an alias is used, it has one. */
function aliasOf(invocation: Invocation): string {
  return required(invocation, 0).replace(/^@/, "");
}

function printAlias({ io, options }: Invocation, alias: Alias): void {
  if (options.json) {
    printMessage(io, alias);
    return;
  }
  printFields(io, [
    ["alias", `@${alias.alias}`],
    ["key", alias.keyName],
    ["updated", formatTime(alias.updatedAt)],
  ]);
}
