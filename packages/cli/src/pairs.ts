import type { Option } from "commander";
import { option } from "./command.ts";
import { usage } from "./failure.ts";

/** An option that may be given several times; its value is the list of what was given. */
export function repeatable(flags: string, description: string): Option {
  return option(flags, `${description}; may be given several times`).argParser(
    (value: string, before: readonly string[] = []) => [...before, value],
  );
}

/** Reads `name=value` pairs of a repeatable option; values may be empty, names not. @throws Failure */
export function parsePairs(pairs: readonly string[], flag: string, example: string): Record<string, string> {
  const entries = pairs.map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1) {
      throw usage(`${flag}: give name=value, for example ${flag} ${example}`);
    }
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  if (new Set(entries.map(([name]) => name)).size !== entries.length) {
    throw usage(`${flag}: a name may stand only once`);
  }
  return Object.fromEntries(entries);
}
