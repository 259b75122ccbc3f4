import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

/** What a block of commands printed, and which of them failed. */
export interface TerminalAnswer {
  readonly output: string;
  readonly failed: string;
}

/** A shell that keeps its variables and functions from one block of commands to the next, as a reader's does. */
export class Terminal {
  readonly #shell: ChildProcess;
  readonly #lines: Interface;
  readonly #folder: string;
  readonly #blockMs: number;

  /**
   * @param folder For its own files.
   * @param cwd Where commands run.
   * @param blockMs How long a block of commands may take.
   */
  constructor(folder: string, cwd: string, env: NodeJS.ProcessEnv, blockMs = 60_000) {
    this.#folder = folder;
    this.#blockMs = blockMs;
    this.#shell = spawn("bash", ["--norc"], { cwd, env, stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#shell.stdout as NodeJS.ReadableStream });
    // A failed command is noted, wherever in the block it is; one whose failure the block handles (`||`) is not.
    this.#write(`set -E -o pipefail; trap 'echo "$BASH_COMMAND" >> "${join(folder, "failed")}"' ERR`);
  }

  /** @throws Error when it takes too long. */
  async run(commands: string): Promise<TerminalAnswer> {
    const [block, output, failed] = ["block.sh", "output", "failed"].map((name) => join(this.#folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(block, `${commands}\n`);
    writeFileSync(failed, "");
    // Sourced, and not piped in: a command that reads standard input must not read the commands after it.
    this.#write(`source "${block}" < /dev/null > "${output}" 2>&1; echo done`);
    try {
      await once(this.#lines, "line", { signal: AbortSignal.timeout(this.#blockMs) });
    } catch (error) {
      throw new Error(`not done after ${this.#blockMs} ms: ${commands}\n${readFileSync(output, "utf8")}`, {
        cause: error,
      });
    }
    return { output: readFileSync(output, "utf8"), failed: readFileSync(failed, "utf8") };
  }

  /** Ends the shell, also when one of its commands does not end. */
  async close(): Promise<void> {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null) {
      const ended = once(this.#shell, "exit");
      this.#shell.kill("SIGKILL");
      await ended;
    }
  }

  #write(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}
