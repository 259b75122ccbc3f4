import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;

/** Where a server listens, each `host:port`. */
export interface ServerAddresses {
  readonly rest: string;
  readonly grpc: string;
}

const ANY_PORTS: ServerAddresses = { rest: "127.0.0.1:0", grpc: "127.0.0.1:0" };

/** A block of commands whose last one starts a server, in a terminal of its own. */
export class ForegroundServer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #chunks: Buffer[] = [];

  /**
   * Runs the commands in bash.
   * @param addresses Those of the server before, where clients look for it; without one, the system chooses the ports.
   */
  constructor(commands: string, cwd: string, env: NodeJS.ProcessEnv, addresses: ServerAddresses = ANY_PORTS) {
    // Detached, so that it has a process group of its own, as the foreground job of a terminal has.
    this.#child = spawn("bash", ["--norc", "-e", "-c", commands], {
      cwd,
      env: { ...env, BUNKMS_ADDR: addresses.rest, BUNKMS_GRPC_ADDR: addresses.grpc, BUNKMS_LOG_LEVEL: "warn" },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
    // Closed is later than ended: when the server, too, has let go of its output.
    this.#ended = once(this.#child, "close");
  }

  /** What it has printed on standard output. */
  get output(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }

  /** The addresses that it has printed, `host:port`; empty before that. */
  get addresses(): ServerAddresses {
    const find = (name: string): string =>
      new RegExp(`^${name} +(?:http://)?(\\S+)$`, "m").exec(this.output)?.[1] ?? "";
    return { rest: find("REST"), grpc: find("gRPC") };
  }

  /** Waits until its output satisfies the condition, it ends, or half a minute has passed. @returns Whether it does. */
  async until(satisfies: (output: string) => boolean): Promise<boolean> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!satisfies(this.output) && performance.now() < deadline && this.#child.exitCode === null) {
      await sleep(20);
    }
    return satisfies(this.output);
  }

  /** Ctrl+C: SIGINT to the whole job. Kills it after 20 seconds. @returns Whether it ended by itself. */
  async interrupt(): Promise<boolean> {
    this.#signal("SIGINT");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
    return this.#child.signalCode !== "SIGKILL";
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.#child.pid as number), signal);
    } catch {
      // Nobody of the job is left.
    }
  }
}
