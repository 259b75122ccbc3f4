import type { Command, Option } from "commander";
import { type TreeNode, valueKind, walkCommands } from "./command-tree.ts";

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
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" word skip="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$word" in
      ${flagsOf(options.filter((option) => valueKind(option) !== "none"))}) skip=1 ;;
      -*) ;;
      *) case "\${path:+$path }$word" in
        ${paths.join("|")}) path="\${path:+$path }$word" ;;
      esac ;;
    esac
  done
  if [[ -n $skip ]]; then
    case "$prev" in
${options
  .filter((option) => valueKind(option) === "choices")
  .map(
    (option) =>
      `      ${flagsOf([option])}) COMPREPLY=($(compgen -W "${option.argChoices?.join(" ")}" -- "$cur")) ;;\n`,
  )
  .join(
    "",
  )}      ${flagsOf(options.filter((option) => valueKind(option) === "file"))}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
    return
  fi
  local words=""
  case "$path" in
${nodes.map((node) => `    "${node.words.join(" ")}") words="${offers(node).join(" ")}" ;;\n`).join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _bunkms ${PROGRAMS}
`;
}

/** zsh runs the script for bash by its own compatibility layer, so that there is one logic to get right. */
function zshScript(root: Command): string {
  return `# zsh completion of bunkms
autoload -U +X bashcompinit && bashcompinit
${bashScript(root)}`;
}

function fishScript(root: Command): string {
  const nodes = walkCommands(root);
  const lines = nodes.flatMap((node) => {
    const children = node.subcommands.map((child) => child.name());
    const here = [
      ...node.words.map((word) => `__fish_seen_subcommand_from ${word}`),
      ...(children.length > 0 ? [`not __fish_seen_subcommand_from ${children.join(" ")}`] : []),
    ];
    const condition = here.length === 0 ? "" : ` -n ${fishQuoted(here.join("; and "))}`;
    const commands = node.subcommands.map((child) => {
      return `complete -c bunkms -f${condition} -a ${child.name()} -d ${fishQuoted(child.summary())}`;
    });
    return [...commands, ...node.options.map((option) => fishOption(option, condition))];
  });
  return `# fish completion of bunkms
complete -c bunkms -f
${lines.join("\n")}
complete -c bun-kms-cli -w bunkms
`;
}

function fishOption(option: Option, condition: string): string {
  const kind = valueKind(option);
  const value = { none: "", file: " -r -F", other: " -x", choices: ` -x -a ${fishQuoted(choicesOf(option))}` }[kind];
  return `complete -c bunkms${condition} -l ${option.long?.slice(2)}${value} -d ${fishQuoted(option.description)}`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

function offers(node: TreeNode): string[] {
  const choices = node.args.flatMap((argument) => argument.argChoices ?? []);
  return [...node.subcommands.map((command) => command.name()), ...choices, ...node.options.map(longFlag)];
}

function distinctOptions(nodes: readonly TreeNode[]): readonly Option[] {
  return [...new Map(nodes.flatMap((node) => node.options).map((option) => [longFlag(option), option])).values()];
}

function flagsOf(options: readonly Option[]): string {
  return options.map(longFlag).join("|");
}

function longFlag(option: Option): string {
  return option.long ?? option.flags;
}

function choicesOf(option: Option): string {
  return option.argChoices?.join(" ") ?? "";
}
