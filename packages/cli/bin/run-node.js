// Plain JavaScript without a build step: this file must run on Nodes that cannot strip types.
import { spawn } from "node:child_process";
import { constants } from "node:os";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

export function runNode(runtime, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(runtime, args, { stdio: "inherit" });
    const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    for (const signal of FORWARDED) {
      process.on(signal, () => {
        // The terminal's Ctrl-C and Ctrl-\ go to the whole foreground group: handed on, they would arrive twice.
        if (!(onTerminal && (signal === "SIGINT" || signal === "SIGQUIT"))) {
          child.kill(signal);
        }
      });
    }
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
