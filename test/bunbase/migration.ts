import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer, withoutSettings } from "../harness/server.ts";
import { GO_MASTER_KEY, type GoKms, startGoKms } from "./go-kms.ts";

const CLI = join(import.meta.dirname, "..", "..", "packages", "cli", "bin", "bunkms.js");

/** What one run of the command line did. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A data folder of the Go BunKMS, and a server that it is to be brought to. */
export class MigrationTrial {
  readonly folder = mkdtempSync(join(tmpdir(), "bunkms-migration-"));
  readonly data = join(this.folder, "data");
  readonly auditLog = join(this.folder, "audit.log");
  readonly server: TestServer;

  private constructor(server: TestServer) {
    this.server = server;
  }

  static async start(): Promise<MigrationTrial> {
    return new MigrationTrial(await startServer());
  }

  async end(): Promise<void> {
    await this.server.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Lets the Go server run on the data folder, and ends it. @param signal SIGKILL: it writes nothing. */
  async withGo<T>(work: (go: GoKms) => Promise<T>, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<T> {
    const go = await startGoKms({ BUNKMS_DATA_PATH: this.data, BUNKMS_AUDIT_LOG: this.auditLog });
    try {
      return await work(go);
    } finally {
      await (signal === "SIGTERM" ? go.stop() : go.kill());
    }
  }

  /** `bunkms migrate from-bunkms-go` with these options after the data folder and the master key. */
  async migrate(...options: readonly string[]): Promise<CliRun> {
    return finished(this.begin(options));
  }

  /** The same, but running. */
  begin(options: readonly string[]): ChildProcess {
    const own = ["migrate", "from-bunkms-go", "--data", this.data, "--master-key", "env:GO_MASTER_KEY"];
    return this.#spawn([...own, ...options]);
  }

  /** Any command of the command line. */
  async cli(...words: readonly string[]): Promise<CliRun> {
    return finished(this.#spawn(words));
  }

  /** Calls the server's REST API. */
  async call(method: string, path: string, body?: JsonObject): Promise<{ status: number; body: JsonObject }> {
    const response = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.server.rootToken}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as JsonObject };
  }

  #spawn(words: readonly string[]): ChildProcess {
    return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...withoutSettings(process.env),
        XDG_CONFIG_HOME: join(this.folder, "config"),
        BUNKMS_URL: this.server.url,
        BUNKMS_TOKEN: this.server.rootToken,
        GO_MASTER_KEY,
      },
    });
  }
}

/** Waits for a run of the command line. */
export async function finished(child: ChildProcess): Promise<CliRun> {
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...text };
}

/** What a folder is: names, sizes, times, modes and contents of its files. */
export function folderDigest(folder: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).sort()) {
    const { mode, size, mtimeNs, ctimeNs, ino } = statSync(join(folder, name), { bigint: true });
    hash.update(`${[name, mode, size, mtimeNs, ctimeNs, ino].join(" ")}\n`).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}
