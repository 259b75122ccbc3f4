import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const MAIN = join(import.meta.dirname, "..", "..", "packages", "server", "bin", "bunkms-server.js");
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 10;

/** How a server under test is started. */
export interface ServerOptions {
  /** Flags after the harness's own. */
  readonly args?: readonly string[];
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[];
  /** REST address, for a server that is to be found in the same place again. A free port of loopback by default. */
  readonly addr?: string;
  /** Added to the environment; `BUNKMS_*` of the caller's own environment is never passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Development mode; true unless said otherwise. In production mode the caller gives a master key, or other seals, in `env`. */
  readonly dev?: boolean;
  /** Data folder of an earlier start, to start on it again. A new temporary one by default. */
  readonly dataPath?: string;
  /** Configuration folder (`XDG_CONFIG_HOME`) of an earlier start. A new temporary one by default. */
  readonly configHome?: string;
}

/** A running server of its own: own ports, own folders. Call `remove` when done. */
export interface TestServer {
  /** REST base address, without a trailing slash. */
  readonly url: string;
  /** gRPC address, `host:port`. */
  readonly grpcAddr: string;
  /** In production mode empty at any start but the first, and where there is no vault yet. */
  readonly rootToken: string;
  readonly dataPath: string;
  readonly configHome: string;
  readonly pid: number;
  /** All that the server has written to standard output and standard error so far. */
  output(): string;
  /** SIGTERM, then waits for the end. @returns the exit code, or the name of the signal that ended it. */
  stop(): Promise<number | string>;
  /** SIGKILL, then waits for the end. */
  kill(): Promise<void>;
  /** Kills it when it still runs, and removes the folders that the harness made. */
  remove(): Promise<void>;
}

/**
 * Starts the real server as its own process on free loopback ports and waits until it serves.
 * @throws Error with the server's output, when it ends or does not serve within 20 seconds.
 */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const own = await mkdtemp(join(tmpdir(), "bunkms-test-"));
  const dataPath = options.dataPath ?? join(own, "data");
  const configHome = options.configHome ?? join(own, "config");
  const pointer = join(configHome, "bunkms", "dev.json");
  await mkdir(configHome, { recursive: true, mode: 0o700 });
  await rm(pointer, { force: true });

  const dev = options.dev ?? true;
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--disable-sigusr1",
      ...(options.nodeArgs ?? []),
      MAIN,
      ...(dev ? ["--dev"] : []),
      ...["--addr", options.addr ?? "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"],
      ...(options.args ?? []),
    ],
    {
      cwd: own,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...withoutSettings(process.env),
        HOME: dirname(configHome),
        XDG_CONFIG_HOME: configHome,
        BUNKMS_DATA_PATH: dataPath,
        ...options.env,
      },
    },
  );
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const output = collectOutput(child);

  async function kill(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
    }
    await ended;
  }
  async function remove(): Promise<void> {
    await kill();
    await rm(own, { recursive: true, force: true });
  }

  try {
    const look = async (): Promise<Found | undefined> => {
      const printed = readPrinted(output());
      return printed !== undefined && dev ? readPointer(pointer) : printed;
    };
    const found = await waitForAddresses(child, look);
    return {
      ...found,
      dataPath,
      configHome,
      pid: child.pid as number,
      output,
      stop: async () => {
        child.kill("SIGTERM");
        const [code, signal] = await ended;
        return code ?? (signal as string);
      },
      kill,
      remove,
    };
  } catch (error) {
    await remove();
    throw new Error(`${(error as Error).message}\n${output()}`, { cause: error });
  }
}

type Found = Pick<TestServer, "url" | "grpcAddr" | "rootToken">;

async function waitForAddresses(child: ChildProcess, look: () => Promise<Found | undefined>): Promise<Found> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended with ${child.exitCode ?? child.signalCode} before it served`);
    }
    await sleep(POLL_MS);
  }
  throw new Error(`the server did not serve within ${START_TIMEOUT_MS / 1000} seconds`);
}

/** The pointer that a development server leaves for the CLI once it serves. */
async function readPointer(path: string): Promise<Found | undefined> {
  try {
    const pointer = JSON.parse(await readFile(path, "utf8")) as { url: string; grpc_addr: string; token_file: string };
    // It is there before the pointer, unless there is no vault yet.
    const rootToken = existsSync(pointer.token_file) ? (await readFile(pointer.token_file, "utf8")).trim() : "";
    return { url: pointer.url, grpcAddr: pointer.grpc_addr, rootToken };
  } catch {
    // Not there yet, or half written.
    return undefined;
  }
}

/** What a server prints once it serves, when all of its addresses are there: `Data` is the line after the last of them. */
export function readPrinted(text: string): Found | undefined {
  const url = /^\s*REST\s+(https?:\/\/\S+)$/m.exec(text)?.[1];
  const grpcAddr = /^\s*gRPC\s+(\S+)$/m.exec(text)?.[1];
  if (url === undefined || grpcAddr === undefined || !/^\s*Data\s.*\n/m.test(text)) {
    return undefined;
  }
  return { url, grpcAddr, rootToken: /^\s*Root token\s+(bkms_\S+)$/m.exec(text)?.[1] ?? "" };
}

function collectOutput(child: ChildProcess): () => string {
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** The environment without what would configure this project's programs. */
export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("BUNKMS_")));
}
