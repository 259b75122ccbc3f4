import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";

const PROGRAM = join(import.meta.dirname, "..", "..", "packages", "server", "bin", "bunkms-server.js");

/** How the server is started: always in production mode, on SQLite, at free loopback ports. */
export interface BunkmsOptions {
  /** Holds data, master key, log and the runtime's cache of compiled code. Made if it is not there. */
  readonly folder: string;
  readonly logLevel: "warn" | "info";
  /** Flags for the runtime, for example `--cpu-prof`. */
  readonly nodeFlags: readonly string[];
}

/** A server that answered `/ready` with 200. */
export interface BunkmsProcess {
  readonly pid: number;
  /** `host:port` */
  readonly rest: string;
  readonly grpc: string;
  /** Empty but at the first start on a folder. */
  readonly rootToken: string;
  /** From just before the process was made until the answer of `/ready` was there. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

/** @throws Error with what the server printed, when it ends before it is ready. */
export async function startBunkms({ folder, logLevel, nodeFlags }: BunkmsOptions): Promise<BunkmsProcess> {
  const keyFile = await prepareFolder(folder);
  const log = await open(join(folder, "server.log"), "a");
  const flags = ["--disable-warning=ExperimentalWarning", "--disable-sigusr1", "--max-semi-space-size=8", ...nodeFlags];
  const settings = ["--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--log-level", logLevel];
  const began = performance.now();
  const child = spawn(process.execPath, [...flags, PROGRAM, ...settings, "--data-path", dataFolder(folder)], {
    cwd: folder,
    stdio: ["ignore", "pipe", log.fd],
    env: {
      PATH: process.env["PATH"],
      // In place of the server's own, so that the first start here is a first start.
      NODE_COMPILE_CACHE: join(folder, "cache"),
      BUNKMS_MASTER_KEY_FILE: keyFile,
    },
  });
  const ended = once(child, "exit");
  const printed = await readUntil(child, /^gRPC .*\n/m);
  const rest = /^REST\s+http:\/\/(\S+)$/m.exec(printed)?.[1] ?? "";
  await untilReady(rest);
  const readyMs = performance.now() - began;
  await log.close();
  return {
    pid: child.pid as number,
    rest,
    grpc: /^gRPC\s+(\S+)$/m.exec(printed)?.[1] ?? "",
    rootToken: /^Root token\s+(\S+)$/m.exec(printed)?.[1] ?? "",
    readyMs,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Where the server has its data. */
export function dataFolder(folder: string): string {
  return join(folder, "data");
}

/**
 * Makes the server's folder, and a master key in it, if they are not there.
 * @returns The master key's file.
 */
export async function prepareFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyFile = join(folder, "master.key");
  // A later start on the same folder needs the same key.
  if (!existsSync(keyFile)) {
    await writeFile(keyFile, `base64:${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  }
  return keyFile;
}

/** What the child prints, up to the chunk with which it has printed a match. */
function readUntil(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk;
      if (pattern.test(text)) {
        resolve(text);
      }
    });
    child.on("exit", () => reject(new Error(`the server ended before it was ready: see its log\n${text}`)));
  });
}

/** Asks until the answer is 200. */
async function untilReady(address: string): Promise<void> {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = get(`http://${address}/ready`, { agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject);
  });
  if (status !== 200) {
    await untilReady(address);
  }
}
