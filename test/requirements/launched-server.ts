import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutSettings } from "../harness/server.ts";
import { SERVER_PROGRAM } from "./server-run.ts";

/** How the server's program is launched when nothing may be added to its command line. */
export interface LaunchOptions {
  /** Holds the home, the settings and, unless `args` or `env` say otherwise, the data (`data`). */
  readonly folder: string;
  readonly args?: readonly string[];
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** File mode creation mask, octal digits. */
  readonly umask?: string;
  /** Standard output (1) or standard error (2), where nothing can be written to it. */
  readonly full?: 1 | 2;
}

/** The server's program, running or ended. */
export interface LaunchedServer {
  readonly pid: number;
  /** Standard output and standard error so far. */
  output(): string;
  /** Waits for a text in the output. @throws Error when the program ends, or 20 seconds pass, without it. */
  until(text: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal, unless the program has ended. */
  signal(name: NodeJS.Signals): void;
  /** Waits for the end; kills the program after 30 seconds. @returns the exit code, or the name of the signal that ended it. */
  end(): Promise<number | string>;
}

const UNTIL_MS = 20_000;
const END_MS = 30_000;

/** Launches the server's program. Whoever does must see to its end. */
export function launchServer(options: LaunchOptions): LaunchedServer {
  const { folder, args = [], nodeArgs = [], env = {}, umask, full } = options;
  const command = [process.execPath, "--disable-warning=ExperimentalWarning", ...nodeArgs, SERVER_PROGRAM, ...args];
  const masked = umask === undefined ? [] : ["sh", "-c", `umask ${umask} && exec "$@"`, "sh"];
  const redirected = full === undefined ? [] : ["sh", "-c", `exec "$@" ${full}> /dev/full`, "sh"];
  const [program = "", ...rest] = [...redirected, ...masked, ...command];
  const child = spawn(program, rest, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...withoutSettings(process.env),
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, "config"),
      BUNKMS_DATA_PATH: join(folder, "data"),
      ...env,
    },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  const output = (): string => Buffer.concat(chunks).toString("utf8");
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid as number,
    output,
    async until(text) {
      const deadline = performance.now() + UNTIL_MS;
      for (;;) {
        const isLast = hasEnded() || performance.now() > deadline;
        const found = text.exec(output());
        if (found !== null) {
          return found;
        }
        if (isLast) {
          throw new Error(`the server did not say ${text}\n${output()}`);
        }
        await sleep(10);
      }
    },
    signal(name) {
      if (!hasEnded()) {
        child.kill(name);
      }
    },
    async end() {
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      const [code, signal] = await ended;
      clearTimeout(timer);
      return code ?? (signal as string);
    },
  };
}
