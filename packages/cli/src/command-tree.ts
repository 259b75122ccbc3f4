import type { Argument, Command, Option } from "commander";
import { offersOf } from "./command.ts";

/** One command of the tree, with the words that lead to it from below the program's name. */
export interface TreeNode {
  readonly words: readonly string[];
  readonly command: Command;
  readonly subcommands: readonly Command[];
  readonly options: readonly Option[];
  readonly args: readonly Argument[];
}

/** Every command, parents before their children, in the order of help. Hidden ones are left out. */
export function walkCommands(root: Command, words: readonly string[] = []): readonly TreeNode[] {
  const help = root.createHelp();
  const own = words.length === 0 ? root.commands : root.commands.filter((command) => command.name() !== "help");
  const node: TreeNode = {
    words,
    command: root,
    subcommands: own,
    options: help.visibleOptions(root),
    args: root.registeredArguments,
  };
  return [node, ...own.flatMap((command) => walkCommands(command, [...words, command.name()]))];
}

/** What a shell can offer as the value of an option. */
export type ValueKind = "none" | "file" | "choices" | "other";

/** What the value of an option is. */
export function valueKind(option: Option): ValueKind {
  if (!option.required && !option.optional) {
    return "none";
  }
  if (offersOf(option) !== undefined) {
    return "choices";
  }
  return /<(?:file|folder)>/.test(option.flags) ? "file" : "other";
}
