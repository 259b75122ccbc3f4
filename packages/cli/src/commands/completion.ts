import { type CommandGroup, defineCommand } from "../command.ts";
import { SHELLS } from "../completion.ts";

const INSTALL: Readonly<Record<keyof typeof SHELLS, string>> = {
  bash: 'eval "$(bunkms completion bash)"    # in ~/.bashrc',
  zsh: 'eval "$(bunkms completion zsh)"    # in ~/.zshrc, after compinit',
  fish: "bunkms completion fish > ~/.config/fish/completions/bunkms.fish",
};

/** `bunkms completion …` */
export const completionCommands: CommandGroup = {
  name: "completion",
  summary: "Print a completion script for a shell",
  commands: (Object.keys(SHELLS) as (keyof typeof SHELLS)[]).map((shell) =>
    defineCommand({
      usage: shell,
      summary: `Print the completion script for ${shell}`,
      examples: [INSTALL[shell]],
      shared: "none",
      async run({ io, root }) {
        io.stdout.write(SHELLS[shell](root));
        return 0;
      },
    }),
  ),
};
