import { defineCommand, option, optionWithHints, optionWithOffers, required } from "../command.ts";
import { usage } from "../failure.ts";
import { printKey } from "../key-output.ts";
import { KEY_STATES, KEY_TYPES } from "../key-types.ts";
import { formatTime, printJson, printLine, printMessage, printTable } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";

interface Filters {
  readonly prefix?: string;
  readonly type?: string;
  readonly state?: string;
  readonly tag?: string;
}

/** `bunkms key list` */
export const listCommand = defineCommand<PageOptions & Filters>({
  usage: "list",
  summary: "List keys in the order of their names",
  details: "All filters must fit.",
  options: [
    option("--prefix <text>", "Only names that begin with this"),
    optionWithOffers(
      "--type <type>",
      "Only keys of this type",
      KEY_TYPES.map(({ name }) => name),
    ),
    optionWithHints("--state <state>", "Only keys in this state", KEY_STATES),
    option("--tag <tag>", "Only keys with this tag: its name, or name=value"),
    ...PAGE_OPTIONS(),
  ],
  examples: [
    "bunkms key list",
    "bunkms key list --prefix prod- --all",
    "bunkms key list --state pending_deletion",
    "bunkms key list --tag team=billing --json",
  ],
  async run({ io, options, connect }) {
    const { keys } = await connect();
    const { prefix = "", type = "", state = "", tag = "" } = options;
    const filters = { prefix, type, state, tag };
    const page = await fetchPages(options, "keys", (request) => keys.listKeys({ ...request, ...filters }));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.keys.map((key) => [
      key.name,
      key.type,
      key.purpose,
      key.state,
      String(key.latestVersion),
      formatTime(key.createdAt),
    ]);
    printTable(io, ["NAME", "TYPE", "PURPOSE", "STATE", "VERSION", "CREATED"], rows);
    noteMore(io, page);
    return 0;
  },
});

/** `bunkms key get` */
export const getCommand = defineCommand<{ readonly publicKey?: boolean }>({
  usage: "get <name>",
  summary: "Show a key's metadata and versions",
  details: "Secret key material is never shown. The public keys of all versions are in the answer of --json.",
  options: [option("--public-key", "Print only the latest version's public key, PEM")],
  examples: [
    "bunkms key get invoices",
    "bunkms key get @current",
    "bunkms key get releases --public-key > releases.pem",
    "bunkms key get releases --json",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const key = await client.keys.getKey({ name: required(invocation, 0) });
    if (!options.publicKey) {
      printKey(invocation, key);
      return 0;
    }
    const pem = key.versions.find((one) => one.version === key.latestVersion)?.publicKeyPem ?? "";
    if (pem === "") {
      throw usage(`${key.name} has no public key: its type is ${key.type}`);
    }
    printLine(io, pem.trimEnd());
    return 0;
  },
});

/** `bunkms key types` */
export const typesCommand = defineCommand({
  usage: "types",
  summary: "List the key types with their purposes",
  details:
    "The first type and each type's first purpose are the defaults. docs/key-types.md tells all that each type can do.",
  examples: ["bunkms key types"],
  shared: "json",
  async run({ io, options }) {
    if (options.json) {
      printJson(io, KEY_TYPES);
    } else {
      const rows = KEY_TYPES.map(({ name, purposes }) => [name, purposes.join(", ")]);
      printTable(io, ["TYPE", "PURPOSES"], rows);
    }
    return 0;
  },
});
