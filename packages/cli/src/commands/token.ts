import type { Token } from "@bunkms/client";
import { type CommandGroup, defineCommand, type Invocation, option, optionWithHints, required } from "../command.ts";
import { parseSeconds } from "../durations.ts";
import { Failure } from "../failure.ts";
import { openOut } from "../out-file.ts";
import { formatTime, printFields, printLine, printMessage, printNote, printTable, writeText } from "../output.ts";
import { fetchPages, noteMore, PAGE_OPTIONS, type PageOptions } from "../pages.ts";

interface CreateOptions {
  readonly name: string;
  readonly role: string;
  readonly ttl?: string;
  readonly out?: string;
}

const create = defineCommand<CreateOptions>({
  usage: "create",
  summary: "Make a token with a role",
  details:
    "Prints the token alone on standard output; it is not shown again. Roles: a reader sees metadata and public keys,\n" +
    "an operator also uses keys, reads and writes secrets, an admin also manages keys and secrets and reads the audit log.",
  options: [
    option("--name <name>", "Who or what will hold it").makeOptionMandatory(),
    optionWithHints("--role <role>", "What it may do", ["admin", "operator", "reader"]).makeOptionMandatory(),
    option("--ttl <duration>", "How long it is valid, for example 30m, 24h or 90d; 1h by default"),
    option("--out <file>", "Write the token to this file, readable by its owner only"),
  ],
  examples: [
    "bunkms token create --name ci --role operator --ttl 24h --out ci.token",
    "bunkms token create --name dashboard --role reader",
  ],
  async run({ io, options, connect }) {
    const ttlSeconds = options.ttl === undefined ? 0 : parseSeconds(options.ttl, "--ttl");
    const client = await connect();
    await using file = await openOut(options);
    const answer = await client.tokens.createToken({ displayName: options.name, role: options.role, ttlSeconds });
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    await writeText(io, answer.token, file).catch((error: unknown) => {
      throw error instanceof Failure ? unheld(error, answer.id) : error;
    });
    const expires = formatTime(answer.expiresAt);
    printNote(io, `Token ${answer.id} of ${answer.displayName} (${answer.role}) expires at ${expires}.`);
    return 0;
  },
});

const list = defineCommand<PageOptions>({
  usage: "list",
  summary: "List tokens by their ids; never the tokens themselves",
  options: PAGE_OPTIONS(),
  examples: ["bunkms token list", "bunkms token list --all --json"],
  async run({ io, options, connect }) {
    const { tokens } = await connect();
    const page = await fetchPages(options, "tokens", (request) => tokens.listTokens(request));
    if (options.json) {
      printMessage(io, page);
      return 0;
    }
    const rows = page.tokens.map((token) => [
      token.id,
      token.displayName,
      token.role,
      formatTime(token.createdAt),
      formatTime(token.expiresAt) || "never",
    ]);
    printTable(io, ["ID", "NAME", "ROLE", "CREATED", "EXPIRES"], rows);
    noteMore(io, page);
    return 0;
  },
});

const revoke = defineCommand({
  usage: "revoke <id>",
  summary: "Revoke a token, at once",
  examples: ["bunkms token revoke 0123456789abcdef0123456789abcdef"],
  async run(invocation) {
    const client = await invocation.connect();
    const id = required(invocation, 0);
    const answer = await client.tokens.revokeToken({ id });
    invocation.options.json ? printMessage(invocation.io, answer) : printLine(invocation.io, `${id} revoked`);
    return 0;
  },
});

const self = defineCommand({
  usage: "self",
  summary: "Show the token in use",
  examples: ["bunkms token self"],
  run: showSelf,
});

/** `bunkms whoami` */
export const whoamiCommand = defineCommand({
  usage: "whoami",
  summary: "Show the token in use; the same as bunkms token self",
  examples: ["bunkms whoami", "bunkms whoami --json"],
  run: showSelf,
});

/** The token is made, and only its id is known. */
function unheld({ exitCode, message }: Failure, id: string): Failure {
  return new Failure(
    exitCode,
    `${message}; token ${id} was made, and nobody holds it`,
    `Revoke it: bunkms token revoke ${id}`,
  );
}

/** `bunkms token …` */
export const tokenCommands: CommandGroup = {
  name: "token",
  summary: "Make, list and revoke tokens",
  commands: [create, list, revoke, self],
};

async function showSelf({ io, options, connect }: Invocation): Promise<0> {
  const client = await connect();
  const token: Token = await client.tokens.getSelf({});
  if (options.json) {
    printMessage(io, token);
    return 0;
  }
  printFields(io, [
    ["id", token.id],
    ["name", token.displayName],
    ["role", token.role],
    ["created", formatTime(token.createdAt)],
    ["expires", formatTime(token.expiresAt) || "never"],
  ]);
  return 0;
}
