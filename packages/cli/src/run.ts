import { CommanderError } from "commander";
import { asFailure, type ExitCode } from "./exit-codes.ts";
import { type Failure, usage } from "./failure.ts";
import type { Io } from "./io.ts";
import { printNote } from "./output.ts";
import { buildProgram } from "./program.ts";

/** Options that people try and that are not there on purpose, with what to use instead. */
const REFUSED_OPTIONS: ReadonlyMap<string, string> = new Map([
  ["--token", 'Put it in a file (--token-file FILE or BUNKMS_TOKEN_FILE), or log in: "bunkms login".'],
  ["--plaintext", 'Give it on standard input or in a file: "bunkms encrypt KEY --in FILE".'],
  ["--value", 'Give it on standard input or in a file: "bunkms secret put NAME --in FILE".'],
  ["--password", 'Give it on standard input or in a file: "bunkms secret put NAME --in FILE".'],
  ["--share", 'Give it in a file, on standard input or at the hidden prompt: "bunkms operator unseal FILE".'],
  ["--data", "Give it on standard input or in a file: --data-file FILE."],
]);

/**
 * Runs one command line.
 * @param argv the words after the program's name.
 * @returns the exit code; whatever went wrong has been reported on standard error.
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = 0;
  try {
    refuseSecrets(argv);
    const program = buildProgram(io, (done) => {
      code = done;
    });
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2;
    }
    return report(asFailure(error), io);
  }
}

/** Where one of them names something else: a folder. */
const ALLOWED_OPTIONS: ReadonlyMap<string, string> = new Map([["migrate", "--data"]]);

function refuseSecrets(argv: readonly string[]): void {
  const options = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  for (const word of options) {
    const name = word.split("=", 1)[0] ?? "";
    const instead = REFUSED_OPTIONS.get(name);
    if (instead !== undefined && ALLOWED_OPTIONS.get(argv[0] ?? "") !== name) {
      const why = "every user of a machine sees its command lines, and shells keep them";
      throw usage(`there is no ${name} on purpose: ${why}`, instead);
    }
  }
}

function report(failure: Failure, io: Io): ExitCode {
  printNote(io, `bunkms: ${failure.message}`);
  if (failure.next !== "") {
    printNote(io, `  ${failure.next}`);
  }
  return failure.exitCode;
}
