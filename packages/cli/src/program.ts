import { Command, InvalidArgumentError, type Option } from "commander";
import { type CommandGroup, type CommandSpec, option, type SharedOptions } from "./command.ts";
import { aliasCommands } from "./commands/alias.ts";
import { auditCommands } from "./commands/audit.ts";
import { callCommand } from "./commands/call.ts";
import { decryptCommand, encryptCommand } from "./commands/cipher.ts";
import { completionCommands } from "./commands/completion.ts";
import { dataKeyCommand } from "./commands/datakey.ts";
import { decryptFileCommand, encryptFileCommand } from "./commands/file.ts";
import { keyCommands } from "./commands/key.ts";
import { backupKeyCommand } from "./commands/key-backup.ts";
import { loginCommand, logoutCommand } from "./commands/login.ts";
import { macCommand, verifyMacCommand } from "./commands/mac.ts";
import { migrateCommands } from "./commands/migrate.ts";
import { operatorCommands } from "./commands/operator.ts";
import { randomCommand } from "./commands/random.ts";
import { rewrapCommand } from "./commands/rewrap.ts";
import { secretCommands } from "./commands/secret.ts";
import { serverCommands } from "./commands/server.ts";
import { decapsulateCommand, deriveCommand, encapsulateCommand } from "./commands/shared-secret.ts";
import { signCommand, verifyCommand } from "./commands/signature.ts";
import { slotCommands } from "./commands/slot.ts";
import { metricsCommand, openapiCommand, statusCommand } from "./commands/system.ts";
import { tokenCommands, whoamiCommand } from "./commands/token.ts";
import { connect, connectWithoutToken } from "./connection.ts";
import type { ExitCode } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { refuseEmpty } from "./refuse-empty.ts";
import { ROOT_DETAILS } from "./root-help.ts";
import { readVersion } from "./version.ts";

/** Every command, in the order of help and docs/cli.md. */
const COMMANDS: readonly (CommandSpec | CommandGroup)[] = [
  keyCommands,
  aliasCommands,
  encryptCommand,
  decryptCommand,
  rewrapCommand,
  dataKeyCommand,
  encryptFileCommand,
  decryptFileCommand,
  signCommand,
  verifyCommand,
  macCommand,
  verifyMacCommand,
  encapsulateCommand,
  decapsulateCommand,
  deriveCommand,
  randomCommand,
  secretCommands,
  tokenCommands,
  whoamiCommand,
  auditCommands,
  operatorCommands,
  slotCommands,
  statusCommand,
  metricsCommand,
  openapiCommand,
  backupKeyCommand,
  migrateCommands,
  callCommand,
  loginCommand,
  logoutCommand,
  serverCommands,
  completionCommands,
];

/** Each command's examples, for what is made from the tree. */
export const EXAMPLES = new WeakMap<Command, readonly string[]>();

/**
 * Builds the command tree.
 * @param done receives the exit code of the command that ran.
 */
export function buildProgram(io: Io, done: (code: ExitCode) => void): Command {
  const program = new Command("bunkms")
    .description("Keys, encryption, signatures and secrets on a BunKMS server.")
    .version(readVersion(), "--version", "Print the version")
    .helpOption("--help", "Show help")
    .helpCommand("help [command]", "Show help for a command")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(usageError(text)),
    })
    .addHelpText("after", `\n${ROOT_DETAILS}`)
    .showHelpAfterError('  See "bunkms --help".');
  for (const shared of sharedOptions("connection")) {
    program.addOption(shared);
  }
  for (const entry of COMMANDS) {
    addEntry(program, entry, io, done);
  }
  return program;
}

function addEntry(parent: Command, entry: CommandSpec | CommandGroup, io: Io, done: (code: ExitCode) => void): void {
  if (!("commands" in entry)) {
    addCommand(parent, entry, io, done);
    return;
  }
  const group = parent.command(entry.name).summary(entry.summary).description(entry.summary);
  group.enablePositionalOptions().showHelpAfterError(`  See "bunkms ${entry.name} --help".`);
  for (const spec of entry.commands) {
    addCommand(group, spec, io, done);
  }
}

function addCommand(parent: Command, spec: CommandSpec, io: Io, done: (code: ExitCode) => void): void {
  const command = parent.command(spec.usage).summary(spec.summary);
  command.description(spec.details === undefined ? spec.summary : `${spec.summary}\n\n${spec.details}`);
  const [first] = command.registeredArguments;
  if (first !== undefined && spec.argumentHints !== undefined) {
    first.argChoices = [...spec.argumentHints];
  }
  for (const own of spec.options ?? []) {
    command.addOption(own);
  }
  for (const shared of sharedOptions(spec.shared ?? "connection")) {
    command.addOption(shared);
  }
  if (spec.passThrough) {
    command.allowUnknownOption().passThroughOptions().helpOption(false);
  }
  EXAMPLES.set(command, spec.examples);
  command.addHelpText("after", `\nExamples:\n${spec.examples.map((line) => `  $ ${line}\n`).join("")}`);
  command.showHelpAfterError(`  See "${commandPath(command)} --help".`);
  command.action(async () => {
    if (!spec.passThrough) {
      refuseEmpty(command);
    }
    const options: SharedOptions = command.optsWithGlobals();
    const args = command.processedArgs.flat() as (string | undefined)[];
    const code = await spec.run({
      args,
      options,
      io,
      root: rootOf(command),
      connect: () => connect(io, options),
      connectWithoutToken: () => connectWithoutToken(io, options),
    });
    done(code ?? 0);
  });
}

function sharedOptions(which: NonNullable<CommandSpec["shared"]>): Option[] {
  const json = option("--json", "Print JSON, as the API answers");
  const connection = [
    option(
      "--url <url>",
      "Address of the server: https://kms.example.com:8080, or over gRPC grpcs://kms.example.com:8081",
    ),
    option("--token-file <file>", "File with the token, readable by its owner only"),
    option("--ca <file>", "Certificates (PEM) of the only authorities to trust for https://"),
    option("--timeout <seconds>", "Give up after this long (30)").argParser(parseSeconds),
  ];
  return which === "none" ? [] : which === "json" ? [json] : [json, ...connection];
}

/** The parser's complaint without what the user may have meant as a value: that may be a secret. */
function usageError(text: string): string {
  return text
    .replace(/^error: /, "bunkms: ")
    .replace(/(but got \d+): .*$/s, "$1.\n")
    .replace(/(unknown option '[^=']*)=.*$/s, "$1'\n");
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 3600)) {
    throw new InvalidArgumentError("It must be a number of seconds, up to 3600.");
  }
  return seconds;
}

/** The words that call a command, from the program's name on. */
export function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
