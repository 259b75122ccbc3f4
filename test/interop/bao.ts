import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPENBAO } from "../harness/vault.ts";

/** How a run of `bao` ended. */
export interface BaoResult {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

export interface BaoOptions {
  /** In BAO_TOKEN. */
  readonly token?: string;
  /** In VAULT_TOKEN, which OpenBao reads too. */
  readonly vaultToken?: string;
}

const TIMEOUT_MS = 30_000;
/** Runs a program in a terminal of its own, whose keyboard is standard input. */
const IN_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/** OpenBao's command line, pointed at one server. */
export class Bao {
  readonly #env: NodeJS.ProcessEnv;
  readonly #home: string;

  private constructor(address: string, home: string) {
    this.#home = home;
    // Nothing of the caller's own: neither variables nor a token that OpenBao keeps in the home folder.
    this.#env = { PATH: process.env["PATH"], HOME: home, BAO_ADDR: address };
  }

  /** @throws Error when OpenBao is not there. */
  static async at(address: string): Promise<Bao> {
    if (!existsSync(OPENBAO)) {
      throw new Error(`OpenBao is not in ${OPENBAO}; npm test installs it`);
    }
    return new Bao(address, await mkdtemp(join(tmpdir(), "bunkms-bao-")));
  }

  async run(args: readonly string[], { token, vaultToken }: BaoOptions = {}): Promise<BaoResult> {
    const env = { ...this.#env, BAO_TOKEN: token, VAULT_TOKEN: vaultToken };
    return ended(spawn(OPENBAO, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS }));
  }

  /** Runs a command in a terminal and answers its question. */
  async answer(args: readonly string[], question: string, text: string): Promise<BaoResult> {
    const child = spawn("python3", ["-c", IN_TERMINAL, OPENBAO, ...args], {
      env: this.#env,
      stdio: ["pipe", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
    });
    let asked = "";
    child.stdout.on("data", (chunk: Buffer) => {
      asked += chunk.toString("utf8");
      if (child.stdin.writable && asked.includes(question)) {
        child.stdin.end(`${text}\n`);
      }
    });
    return ended(child);
  }

  async remove(): Promise<void> {
    await rm(this.#home, { recursive: true });
  }
}

function ended(child: ChildProcess): Promise<BaoResult> {
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, output: Buffer.concat(chunks).toString("utf8") }));
  });
}
