import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

/** The repository's root folder. */
export const ROOT = join(import.meta.dirname, "..");

/** How a program ended, and all that it printed on both streams, in order. */
export interface ProgramResult {
  /** Exit code; 127 when the program was not found, 128 and more when a signal ended it. */
  readonly code: number;
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** This process's environment with the repository's own programs first in PATH. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const path = [join(ROOT, "node_modules", ".bin"), join(ROOT, ".cache", "bin"), process.env["PATH"] ?? ""];
  return { ...process.env, PATH: path.join(delimiter) };
}

/** Runs a program without a shell, in the repository's root unless told otherwise, and collects what it prints. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...toolEnvironment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 127, output: `${program}: ${error.message}\n` }));
    child.on("close", (code, signal) => resolve({ code: code ?? (signal === null ? 1 : 128), output }));
  });
}

/**
 * Runs a program that must succeed.
 * @returns What it printed.
 * @throws Error with what it printed, if it failed.
 */
export async function mustRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, output } = await runProgram(program, args, options);
  if (code !== 0) {
    throw new Error(`${[program, ...args].join(" ")} failed with ${code}\n${output}`);
  }
  return output;
}
