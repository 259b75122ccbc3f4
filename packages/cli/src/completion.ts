import type { Command, Option } from "commander";
import { offersOf } from "./command.ts";
import { type TreeNode, type ValueKind, valueKind, walkCommands } from "./command-tree.ts";

/** Makes a completion script of a shell from the command tree. */
type ScriptMaker = (root: Command) => string;

/** The names by which the program is installed. */
const PROGRAMS = "bunkms bun-kms-cli";

/** The shells that completion scripts are made for. */
export const SHELLS: Readonly<Record<"bash" | "zsh" | "fish", ScriptMaker>> = Object.freeze({
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
});

/** Works from bash 3.2 on, which is what macOS has. */
function bashScript(root: Command): string {
  const nodes = walkCommands(root);
  const options = distinctOptions(nodes);
  const paths = nodes.filter((node) => node.words.length > 0).map((node) => `"${node.words.join(" ")}"`);
  return `# bash completion of bunkms
_bunkms() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" word skip="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$word" in
      ${flagsOf(options.filter(({ kind }) => kind !== "none"))}) skip=1 ;;
      -*) ;;
      *) case "\${at:+$at }$word" in
        ${paths.join("|")}) at="\${at:+$at }$word" ;;
      esac ;;
    esac
  done
  if [[ -n $skip ]]; then
    case "$prev" in
${options
  .filter(({ kind }) => kind === "choices")
  .map((option) => `      ${flagsOf([option])}) COMPREPLY=($(compgen -W "${option.offers.join(" ")}" -- "$cur")) ;;\n`)
  .join(
    "",
  )}      ${flagsOf(options.filter(({ kind }) => kind === "file"))}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
    return
  fi
  local offer=""
  case "$at" in
${nodes.map((node) => `    "${node.words.join(" ")}") offer="${offers(node).join(" ")}" ;;\n`).join("")}  esac
  COMPREPLY=($(compgen -W "$offer" -- "$cur"))
}
complete -F _bunkms ${PROGRAMS}
`;
}

/**
 * zsh runs the script for bash by its own compatibility layer, so that there is one logic to get right. Names that are
 * special in zsh, such as `path` and `words`, must not be variables there.
 */
function zshScript(root: Command): string {
  return `# zsh completion of bunkms
autoload -U +X bashcompinit && bashcompinit
${bashScript(root)}`;
}

function fishScript(root: Command): string {
  const nodes = walkCommands(root);
  const withValue = distinctOptions(nodes).filter(({ kind }) => kind !== "none");
  const paths = nodes.filter((node) => node.words.length > 0).map((node) => fishQuoted(node.words.join(" ")));
  const lines = nodes.flatMap((node) => {
    const start = `complete -c bunkms -n ${fishQuoted(`__bunkms_at ${node.words.join(" ")}`.trim())}`;
    const commands = node.subcommands.map((child) => `-f -a ${child.name()} -d ${fishQuoted(child.summary())}`);
    return [...commands, ...node.options.map(fishOption)].map((rest) => `${start} ${rest}`);
  });
  return `# fish completion of bunkms
function __bunkms_at
  set -l path
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch $word
      case ${flagsOf(withValue).replaceAll("|", " ")}
        set skip 1
      case '-*'
      case '*'
        contains -- (string join ' ' $path $word) ${paths.join(" ")}
        and set -a path $word
    end
  end
  test "$path" = "$argv"
end
complete -c bunkms -f
${lines.join("\n")}
complete -c bun-kms-cli -w bunkms
`;
}

function fishOption(option: Option): string {
  const kind = valueKind(option);
  const value = {
    none: "",
    file: " -r -F",
    other: " -x",
    choices: ` -x -a ${fishQuoted(offersOf(option)?.join(" ") ?? "")}`,
  }[kind];
  const short = option.short === undefined ? "" : `-s ${option.short.slice(1)} `;
  return `${short}-l ${longFlag(option).slice(2)}${value} -d ${fishQuoted(option.description)}`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

function offers(node: TreeNode): string[] {
  const choices = node.args.flatMap((argument) => argument.argChoices ?? []);
  return [...node.subcommands.map((command) => command.name()), ...choices, ...node.options.map(longFlag)];
}

/** The options of one name, of all commands: scripts tell options apart by name only. */
interface NamedOption {
  readonly flags: readonly string[];
  readonly kind: ValueKind;
  readonly offers: readonly string[];
}

function distinctOptions(nodes: readonly TreeNode[]): readonly NamedOption[] {
  const byName = Map.groupBy(
    nodes.flatMap((node) => node.options),
    longFlag,
  );
  return [...byName.values()].map((same) => ({
    flags: distinct(same.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined))),
    kind: same.map(valueKind).find((kind) => kind !== "none") ?? "none",
    offers: distinct(same.flatMap((option) => offersOf(option) ?? [])),
  }));
}

function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

function flagsOf(options: readonly NamedOption[]): string {
  return options.flatMap(({ flags }) => flags).join("|");
}

function longFlag(option: Option): string {
  return option.long ?? option.flags;
}
