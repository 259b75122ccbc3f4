import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { withoutSettings } from "../harness/server.ts";

/** The server's program. */
export const SERVER_PROGRAM = join(import.meta.dirname, "..", "..", "packages", "server", "bin", "bunkms-server.js");

/** A run of the server's program that ended by itself. */
export interface ServerRun {
  /** Exit code, or the name of the signal that ended it. */
  readonly end: number | string;
  /** Standard output and standard error. */
  readonly output: string;
  readonly milliseconds: number;
}

export interface ServerRunOptions {
  readonly args?: readonly string[];
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Sends SIGKILL after so many milliseconds; 20 seconds by default, when it should have ended long before. */
  readonly killAfterMs?: number;
}

/** Runs the server's program on free loopback ports until it ends. */
export async function runServer(dataPath: string, options: ServerRunOptions = {}): Promise<ServerRun> {
  const started = performance.now();
  const addresses = ["--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"];
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      ...(options.nodeArgs ?? []),
      SERVER_PROGRAM,
      ...(options.args ?? []),
      ...addresses,
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...withoutSettings(process.env),
        // Away from the settings of whoever runs the tests.
        HOME: dataPath,
        XDG_CONFIG_HOME: join(dataPath, "..", "config"),
        BUNKMS_DATA_PATH: dataPath,
        ...options.env,
      },
    },
  );
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), options.killAfterMs ?? 20_000);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  const milliseconds = Math.round(performance.now() - started);
  return { end: code ?? (signal as string), output: Buffer.concat(chunks).toString("utf8"), milliseconds };
}
