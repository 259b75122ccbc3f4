import { defineCommand, required } from "../command.ts";
import { SHELLS } from "../completion.ts";
import { usage } from "../failure.ts";

/** `bunkms completion` */
export const completionCommand = defineCommand({
  usage: "completion <shell>",
  summary: `Print a completion script for a shell: ${Object.keys(SHELLS).join(", ")}`,
  examples: [
    'eval "$(bunkms completion bash)"    # in ~/.bashrc',
    'eval "$(bunkms completion zsh)"     # in ~/.zshrc, after compinit',
    "bunkms completion fish > ~/.config/fish/completions/bunkms.fish",
  ],
  shared: "none",
  async run(invocation) {
    const shell = required(invocation, 0);
    const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell as keyof typeof SHELLS] : undefined;
    if (script === undefined) {
      throw usage(`there is no completion for ${shell}`, `Give one of ${Object.keys(SHELLS).join(", ")}.`);
    }
    invocation.io.stdout.write(script(invocation.root));
    return 0;
  },
});
