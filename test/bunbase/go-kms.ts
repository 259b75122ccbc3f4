import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { bunbaseSources } from "../harness/bunbase-sources.ts";

const START_TIMEOUT_MS = 10_000;
/** Any 32 bytes. */
export const GO_MASTER_KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

let built: Promise<string> | undefined;

/** The Go BunKMS as its sources have it, built once per process. */
export function goKms(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-go-kms-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const module of ["bun-kms", "bunder"]) {
    cpSync(join(bunbaseSources(), module), join(folder, module), { recursive: true });
  }
  const path = join(folder, "server");
  const cwd = join(folder, "bun-kms");
  await promisify(execFile)("go", ["build", "-o", path, "./cmd/server"], {
    cwd,
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  return path;
}

/** A running Go BunKMS. */
export interface GoKms {
  readonly pid: number;
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Sends JSON. @throws Error when the status is not a success. */
  post(path: string, body?: object): Promise<Record<string, unknown>>;
  /** Likewise, and gives the status whatever it is. */
  status(path: string, body?: object): Promise<number>;
  get(path: string): Promise<Record<string, unknown>>;
  /** SIGTERM: it writes its pages. */
  stop(): Promise<void>;
  /** SIGKILL: it writes nothing. */
  kill(): Promise<void>;
}

/** Starts the Go BunKMS on a data folder, with its audit log in a file if one is named. */
export async function startGoKms(dataPath: string, auditLog?: string): Promise<GoKms> {
  const port = await freePort();
  const child = spawn(await goKms(), [], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      BUNKMS_ADDR: `127.0.0.1:${port}`,
      BUNKMS_MASTER_KEY: GO_MASTER_KEY,
      BUNKMS_DATA_PATH: dataPath,
      ...(auditLog === undefined ? {} : { BUNKMS_AUDIT_LOG: auditLog }),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, url, () => output);
  const send = (path: string, body: object | undefined) =>
    fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body ?? {}) });
  const end = async (signal: NodeJS.Signals) => {
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
  };
  return {
    pid: child.pid as number,
    address: `127.0.0.1:${port}`,
    async post(path, body) {
      return answerOf(await send(path, body));
    },
    async status(path, body) {
      const response = await send(path, body);
      await response.arrayBuffer();
      return response.status;
    },
    async get(path) {
      return answerOf(await fetch(`${url}${path}`));
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

async function answerOf(response: Response): Promise<Record<string, unknown>> {
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`the Go server answered ${response.status}: ${text}`);
  }
  return JSON.parse(text) as Record<string, unknown>;
}

async function untilReady(child: ChildProcess, url: string, output: () => string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const isReady = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) {
      return;
    }
    await sleep(20);
  }
  child.kill("SIGKILL");
  throw new Error(`the Go server did not start: ${output()}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
