import type { Command } from "commander";
import { usage } from "./failure.ts";

/** Options that name a place. Others may well be empty: a description that is taken away, a page token of the first page. */
const PLACE = /<(?:.*file|folder|source|url)>/;
const WHY = "Is a variable of the shell unset?";

/**
 * An empty argument, or an empty name of a file, a folder or a server, is a variable's that is not set. As a path it would be the
 * current folder, or a file there.
 * @throws Failure when a command line has one.
 */
export function refuseEmpty(command: Command): void {
  if (command.processedArgs.flat().includes("")) {
    throw usage("an argument is empty", WHY);
  }
  const values = command.optsWithGlobals();
  for (const one of command.options) {
    if (PLACE.test(one.flags) && [values[one.attributeName()]].flat().includes("")) {
      throw usage(`${one.long} is empty`, WHY);
    }
  }
}
