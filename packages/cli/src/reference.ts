import type { Command, Option } from "commander";
import { type TreeNode, walkCommands } from "./command-tree.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { EXAMPLES } from "./program.ts";
import { ENVIRONMENT } from "./root-help.ts";

/** Between these lines docs/cli.md is made from the program; all else there is written by hand. */
export const MARKERS = Object.freeze({
  begin: "<!-- From here on made by packages/cli/src/write-reference.ts. -->",
  end: "<!-- To here. -->",
});

/** The part of docs/cli.md that is made from the command tree: exit codes, environment, every command. */
export function renderReference(root: Command): string {
  const nodes = walkCommands(root).filter((node) => node.words.length > 0 && node.words[0] !== "help");
  return `## Exit codes

| code | meaning |
|---|---|
${tableRows(EXIT_CODES)}
## Environment

| variable | meaning |
|---|---|
${tableRows(ENVIRONMENT)}
## Options of every command

Also before the command's name. \`bunkms server\` and \`bunkms completion\` have none of them.

${optionTable(sharedOptions(root))}
## Commands

${nodes.map((node) => renderCommand(root, node)).join("\n")}`;
}

/** Puts a new reference between the markers. @throws Error when they are not there. */
export function replaceReference(document: string, reference: string): string {
  const begin = document.indexOf(MARKERS.begin);
  const end = document.indexOf(MARKERS.end);
  if (begin < 0 || end < begin) {
    throw new Error("docs/cli.md lacks the markers around its reference");
  }
  return `${document.slice(0, begin)}${MARKERS.begin}\n\n${reference}\n${document.slice(end)}`;
}

function renderCommand(root: Command, { words, command, subcommands, options }: TreeNode): string {
  const name = `bunkms ${words.join(" ")}`;
  if (subcommands.length > 0) {
    return `### ${name}\n\n${command.description()}.\n`;
  }
  const shared = new Set(sharedOptions(root).map((option) => option.long));
  const own = options.filter((option) => !shared.has(option.long));
  const examples = EXAMPLES.get(command) ?? [];
  const usage = `${name} ${command.usage().replace("[options] ", "").replace("[options]", "")}`.trim();
  return [
    `#### ${name}\n`,
    `\`${usage}\`\n`,
    `${command.description().replace("\n\n", ".\n\n").replace(/\.?$/, ".")}\n`,
    ...(own.length > 0 ? [optionTable(own)] : []),
    `\`\`\`sh\n${examples.join("\n")}\n\`\`\`\n`,
  ].join("\n");
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const hints =
      option.argChoices === undefined ? "" : ` (${option.argChoices.map((one) => `\`${one}\``).join(", ")})`;
    const needed = option.mandatory ? " **Needed.**" : "";
    return `| \`${option.flags}\` | ${option.description}${hints}${needed} |\n`;
  });
  return `| option | meaning |\n|---|---|\n${rows.join("")}`;
}

function sharedOptions(root: Command): readonly Option[] {
  return root
    .createHelp()
    .visibleOptions(root)
    .filter((option) => option.long !== "--version");
}

function tableRows(table: Readonly<Record<string, string>>): string {
  return Object.entries(table)
    .map(([name, text]) => `| \`${name}\` | ${text} |\n`)
    .join("");
}
