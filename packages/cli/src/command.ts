import type { BunkmsClient } from "@bunkms/client";
import { type Command, Option } from "commander";
import type { ExitCode } from "./exit-codes.ts";
import type { Io } from "./io.ts";

/** Options that every command has, or every one that talks to a server. */
export interface SharedOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly timeout?: number;
  readonly json?: boolean;
}

/** One run of a command. */
export interface Invocation<Options = object> {
  /** Positional arguments; an optional one that is missing is undefined. */
  readonly args: readonly (string | undefined)[];
  readonly options: Options & SharedOptions;
  readonly io: Io;
  /** The whole command tree. */
  readonly root: Command;
  /** A client of the server that the options, the environment or the login name. */
  connect(): Promise<BunkmsClient>;
  /** Likewise, for operations that need no token: it looks for none and sends none. */
  connectWithoutToken(): Promise<BunkmsClient>;
}

/** One command: what help, completion and docs/cli.md say of it, and what it does. */
export interface CommandSpec<Options = object> {
  /** Name and arguments, for example `get <name>`. */
  readonly usage: string;
  readonly summary: string;
  /** Usual values of the first argument, which completion offers, while the server decides which it takes. */
  readonly argumentHints?: readonly string[];
  /** More for `--help`, below the summary. */
  readonly details?: string;
  readonly options?: readonly Option[];
  /** Command lines that work as they stand. */
  readonly examples: readonly string[];
  /** Which of the shared options it has: those of a connection and `--json` unless said otherwise. */
  readonly shared?: "connection" | "json" | "none";
  /** Whether all that follows goes to another program unread. */
  readonly passThrough?: boolean;
  /** @returns the exit code; 0 when none. */
  run(invocation: Invocation<Options>): Promise<ExitCode | undefined>;
}

/** Commands under one noun. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandSpec[];
}

/** Checks a command against its own options' type, then forgets that type. */
export function defineCommand<Options extends object = object>(spec: CommandSpec<Options>): CommandSpec {
  return spec;
}

/** Makes an option from flags such as `--in <file>` and its description. */
export function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

/** An option whose usual values help and completion show, while the server decides which it takes. */
export function optionWithHints(flags: string, description: string, hints: readonly string[]): Option {
  const made = new Option(flags, description);
  made.argChoices = [...hints];
  return made;
}

const OFFERS = new WeakMap<Option, readonly string[]>();

/** An option of whose value completion offers many, which are too many for help. */
export function optionWithOffers(flags: string, description: string, offers: readonly string[]): Option {
  const made = new Option(flags, description);
  OFFERS.set(made, offers);
  return made;
}

/** What completion offers as an option's value; undefined when nothing is known. */
export function offersOf(option: Option): readonly string[] | undefined {
  return OFFERS.get(option) ?? option.argChoices;
}

/** A positional argument that the command line parser has made sure of. */
export function required(invocation: Invocation, index: number): string {
  const value = invocation.args[index];
  if (value === undefined) {
    throw new TypeError(`argument ${index} is not declared as required`);
  }
  return value;
}
