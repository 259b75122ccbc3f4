import { parseEnv } from "node:util";
import { readSmallFile } from "./private-file.ts";
import { replacedSetting } from "./replaced-settings.ts";
import { isServiceLink } from "./service-links.ts";
import { isForeignVariable, SETTING_NAMES, SETTINGS, type SettingName } from "./settings.ts";

/** What one source says, as text, and what is wrong with it. Reasons never hold a value. */
export interface Source {
  readonly texts: ReadonlyMap<SettingName, string>;
  readonly reasons: readonly string[];
}

/** What the command line says. */
export interface CommandLine extends Source {
  readonly command: "serve" | "new-root-token" | "help" | "version";
}

const MAX_FILE_BYTES = 64 * 1024;
const PREFIX = "BUNKMS_";
/**
 * A line of which parseEnv drops nothing but a comment: it would end a PIN or a path at a `#`, and what follows a quote, and take out
 * each carriage return. Blanks are the two that it trims: behind another one a quote is none to it.
 */
const WHOLE_LINE = /^[^=\r]*=[ \t]*(?:'[^'\r]*'|"[^"\r]*"|`[^`\r]*`|[^'"`#\s][^#\r]*?|)(?:[ \t]+#.*|[ \t]*)$/;
const WHOLE_LINE_RULE =
  "would not be taken as it is written: put a value that has a # or begins with a quote into quotes, with nothing behind " +
  "them but a comment after a blank";

/** Reads the arguments after the program's name: `[new-root-token] [--flag VALUE | --flag=VALUE | --switch]…`. */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const texts = new Map<SettingName, string>();
  const reasons: string[] = [];
  let command: CommandLine["command"] = "serve";
  for (let i = 0; i < argv.length; i += 1) {
    const argument = argv[i] ?? "";
    if (argument === "--help" || argument === "--version") {
      return { command: argument === "--help" ? "help" : "version", texts: new Map(), reasons: [] };
    }
    if (i === 0 && argument === "new-root-token") {
      command = argument;
      continue;
    }
    const equals = argument.indexOf("=");
    const flag = equals < 0 ? argument : argument.slice(0, equals);
    const name = SETTING_NAMES.find((candidate) => SETTINGS[candidate].flag === flag);
    if (name === undefined) {
      reasons.push(describeUnknown(flag, i));
      continue;
    }
    let text = equals < 0 ? undefined : argument.slice(equals + 1);
    if (text === undefined && SETTINGS[name].type.placeholder === "") {
      text = "true";
    }
    if (text === undefined && i + 1 < argv.length && !argv[i + 1]?.startsWith("--")) {
      i += 1;
      text = argv[i];
    }
    if (text === undefined) {
      reasons.push(`${flag}: needs a value`);
    } else if (texts.has(name)) {
      reasons.push(`${flag}: is given twice`);
    } else {
      texts.set(name, text);
    }
  }
  return { command, texts, reasons };
}

/** An unknown argument may be a secret in the wrong place, so only what looks like a flag's name is repeated. */
function describeUnknown(flag: string, index: number): string {
  if (flag === "--master-key") {
    return "--master-key: is no flag, since others would see it; use --master-key-file or BUNKMS_MASTER_KEY";
  }
  return /^--[a-z][a-z-]{0,31}$/.test(flag)
    ? `${flag}: unknown flag; --help lists them`
    : `argument ${index + 1}: is neither a flag nor a command; --help lists them`;
}

/** Reads the environment. Takes the master key out of it, so that no child process and no crash report has it. */
export function readEnvironment(env: NodeJS.ProcessEnv): Source {
  const texts = new Map<SettingName, string>();
  const reasons: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined) {
      continue;
    }
    if (isForeignVariable(variable) || isServiceLink(variable, text)) {
      continue;
    }
    const name = byVariable(variable);
    if (name === undefined) {
      const reason = `${safeVariable(variable)}: unknown environment variable; --help lists them`;
      reasons.push(replacedSetting(variable) ?? reason);
      continue;
    }
    texts.set(name, text);
    if (SETTINGS[name].secret) {
      delete env[variable];
    }
  }
  return { texts, reasons };
}

/**
 * Reads a settings file: `NAME=value` lines in dotenv form, empty lines and `#` comments.
 * @throws ConfigError if the file cannot be read.
 */
export function readSettingsFile(path: string): Source {
  const { bytes, isPrivate } = readSmallFile(path, "settings file", MAX_FILE_BYTES);
  const texts = new Map<SettingName, string>();
  const reasons: string[] = [];
  const lines = bytes.toString("utf8").split(/\r?\n/);
  bytes.fill(0);
  for (const [index, line] of lines.entries()) {
    const where = `settings file, line ${index + 1}`;
    if (/^\s*(#|$)/.test(line)) {
      continue;
    }
    // parseEnv skips what it does not understand; a skipped setting would be a silent fallback to its default.
    const [variable, text] = Object.entries(parseEnv(line))[0] ?? [];
    if (variable === undefined || text === undefined) {
      reasons.push(`${where}: is not NAME=value`);
      continue;
    }
    const name = byVariable(variable);
    if (name === undefined || name === "config") {
      const reason = `${safeVariable(variable)}: no such setting in a file; --help lists them`;
      reasons.push(`${where}: ${replacedSetting(variable) ?? reason}`);
    } else if (texts.has(name)) {
      reasons.push(`${where}: ${variable}: is given twice`);
    } else if (!WHOLE_LINE.test(line)) {
      reasons.push(`${where}: ${variable}: ${WHOLE_LINE_RULE}`);
    } else {
      texts.set(name, text);
      if (SETTINGS[name].secret && !isPrivate) {
        reasons.push(`${where}: ${variable}: others than its owner can read or change the file; do chmod 600`);
      }
    }
  }
  return { texts, reasons };
}

function byVariable(variable: string): SettingName | undefined {
  return SETTING_NAMES.find((candidate) => SETTINGS[candidate].env === variable);
}

function safeVariable(variable: string): string {
  return /^BUNKMS_[A-Z_]{1,40}$/.test(variable) ? variable : "(a name not shown)";
}
