import type { Key } from "@bunkms/client";
import { type CommandGroup, defineCommand, option, optionWithHints, required } from "../command.ts";
import { usage } from "../failure.ts";
import type { Io } from "../io.ts";
import { formatTime, printFields, printLine, printMessage, printTable } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";

const KEY_TYPES = ["aes-256", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"];

const create = defineCommand<{ readonly type?: string }>({
  usage: "create <name>",
  summary: "Create a key with its first version",
  details: "The name is 1 to 256 letters, digits, dots, underscores and hyphens. It never changes, nor does the type.",
  options: [optionWithHints("--type <type>", "What kind of key; aes-256 by default", KEY_TYPES)],
  examples: ["bunkms key create invoices", "bunkms key create releases --type ecdsa-p256"],
  async run(invocation) {
    const client = await invocation.connect();
    const type = invocation.options.type ?? "";
    printKey(invocation, await client.keys.createKey({ name: required(invocation, 0), type }));
    return 0;
  },
});

const list = defineCommand<PageOptions & { readonly prefix?: string }>({
  usage: "list",
  summary: "List keys in the order of their names",
  options: [option("--prefix <text>", "Only names that begin with this"), ...PAGE_OPTIONS()],
  examples: ["bunkms key list", "bunkms key list --prefix prod- --all", "bunkms key list --json"],
  async run({ io, options, connect }) {
    const { keys } = await connect();
    const prefix = options.prefix ?? "";
    const page = await fetchPages(options, "keys", (request) => keys.listKeys({ ...request, prefix }));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.keys.map((key) => [
      key.name,
      key.type,
      key.purpose,
      String(key.latestVersion),
      formatTime(key.createdAt),
    ]);
    printTable(io, ["NAME", "TYPE", "PURPOSE", "VERSION", "CREATED"], rows);
    noteMore(io, page);
    return 0;
  },
});

const get = defineCommand<{ readonly publicKey?: boolean }>({
  usage: "get <name>",
  summary: "Show a key's metadata and versions",
  details: "Secret key material is never shown. The public keys of all versions are in the answer of --json.",
  options: [option("--public-key", "Print only the latest version's public key, PEM")],
  examples: [
    "bunkms key get invoices",
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

const rotate = defineCommand({
  usage: "rotate <name>",
  summary: "Add a version, which new encryptions and signatures use",
  details: "Old versions still decrypt and verify.",
  examples: ["bunkms key rotate invoices"],
  async run(invocation) {
    const client = await invocation.connect();
    printKey(invocation, await client.keys.rotateKey({ name: required(invocation, 0) }));
    return 0;
  },
});

/** `bunkms key …` */
export const keyCommands: CommandGroup = {
  name: "key",
  summary: "Create, list, show and rotate keys",
  commands: [create, list, get, rotate],
};

function printKey({ io, options }: { io: Io; options: { readonly json?: boolean } }, key: Key): void {
  if (options.json) {
    printMessage(io, key);
    return;
  }
  printFields(io, [
    ["name", key.name],
    ["id", key.id],
    ["type", key.type],
    ["purpose", key.purpose],
    ["created", formatTime(key.createdAt)],
    ["version", String(key.latestVersion)],
  ]);
  io.stdout.write("\n");
  const rows = key.versions.map((one) => [String(one.version), one.state, formatTime(one.createdAt)]);
  printTable(io, ["VERSION", "STATE", "CREATED"], rows);
}
