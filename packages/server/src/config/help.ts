import { SETTING_NAMES, SETTINGS } from "./settings.ts";

const HEAD = `BunKMS server

Usage: bunkms-server [new-root-token] [flags]

Without a command it serves until SIGTERM or SIGINT. new-root-token makes a new root token when the old one is lost;
it needs the master key, and the server must not be running.

Settings come from flags, then the environment, then the settings file, then the defaults. What is unknown or
malformed stops the start.
`;

/** The text of --help, made from the table of settings. */
export function helpText(): string {
  const lines = SETTING_NAMES.map((name) => {
    const { flag, env, type, default: fallback, description } = SETTINGS[name];
    const value = type.placeholder === "" ? "" : ` ${type.placeholder}`;
    const sources = [flag === undefined ? undefined : flag + value, env].filter((source) => source !== undefined);
    const end = fallback === undefined ? "" : ` (default ${fallback})`;
    return `  ${sources.join(", ")}\n      ${description}${end}\n`;
  });
  return `${HEAD}\n${lines.join("")}  --help\n      This text\n  --version\n      The version\n`;
}
