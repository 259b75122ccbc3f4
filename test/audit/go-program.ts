import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const MODULE = join(import.meta.dirname, "go");

let folder: string | undefined;
const built = new Map<string, Promise<string>>();

/**
 * The path of a program of the Go module beside this file, built once per process.
 * @throws Error when Go or a module is missing. A test then fails: it is never skipped.
 */
export function goProgram(name: "log" | "witness"): Promise<string> {
  const program = built.get(name) ?? build(name);
  built.set(name, program);
  return program;
}

async function build(name: string): Promise<string> {
  if (folder === undefined) {
    const own = mkdtempSync(join(tmpdir(), "bunkms-go-"));
    process.once("exit", () => rmSync(own, { recursive: true, force: true }));
    folder = own;
  }
  const path = join(folder, name);
  await promisify(execFile)("go", ["build", "-o", path, `./cmd/${name}`], { cwd: MODULE });
  return path;
}

/** A log to be verified by Go. Hashes are base64. */
export interface CheckRequest {
  /** A folder, or a URL with `http://`, below which `checkpoint` and `tile/` are. */
  readonly source: string;
  /** Sent with every request to a URL. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Verifier keys, any of which may have signed. */
  readonly logs: readonly string[];
  /** Verifier keys, all of which must have cosigned. */
  readonly witnesses?: readonly string[];
  readonly inclusion?: readonly GoInclusion[];
  readonly consistency?: readonly GoConsistency[];
  /** Proofs as C2SP tlog-proof has them, whose extra data is the entry. */
  readonly proofs?: readonly string[];
}

export interface GoInclusion {
  readonly index: number;
  readonly path: readonly string[];
}

export interface GoConsistency {
  readonly from: number;
  readonly root: string;
  readonly path: readonly string[];
}

/** What Go found in a log that verified, with proofs as Go makes them for what was asked. */
export interface CheckAnswer {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly entries: number;
  /** SHA-256 of all entries, each after its length as four bytes. */
  readonly digest: string;
  readonly inclusion: readonly GoInclusion[];
  readonly consistency: readonly GoConsistency[];
  readonly proofs: number;
}

/** A log that Go is to make, with what it is to prove. */
export interface WriteRequest {
  readonly folder: string;
  readonly origin: string;
  readonly size: number;
  readonly indexes: readonly number[];
  readonly froms: readonly number[];
}

export interface WriteAnswer {
  readonly log: string;
  readonly witnesses: readonly string[];
  readonly inclusion: readonly GoInclusion[];
  readonly consistency: readonly GoConsistency[];
  readonly proofs: readonly string[];
}

/** A policy, and the signed checkpoints of which Go says whether it accepts them. */
export interface PolicyRequest {
  readonly policy: string;
  readonly checkpoints: readonly string[];
}

export interface PolicyAnswer {
  readonly accepted: readonly boolean[];
}

interface Commands {
  readonly check: readonly [CheckRequest, CheckAnswer];
  readonly write: readonly [WriteRequest, WriteAnswer];
  readonly policies: readonly [PolicyRequest, PolicyAnswer];
}

/** Either what was asked for, or why Go refused. */
export interface GoResult<Answer> {
  readonly error?: string;
  readonly answer?: Answer;
}

/** Has Go answer requests, with a program that has nothing of BunKMS. One result for each request. */
export async function askGo<Command extends keyof Commands>(
  command: Command,
  requests: readonly Commands[Command][0][],
): Promise<readonly GoResult<Commands[Command][1]>[]> {
  const child = spawn(await goProgram("log"), [command], { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  child.stdin.end(JSON.stringify(requests));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) {
    throw new Error(`log ${command} ended with ${code}: ${errors}`);
  }
  const results = JSON.parse(output) as readonly GoResult<Commands[Command][1]>[];
  if (results.length !== requests.length) {
    throw new Error(`log ${command} gave ${results.length} results for ${requests.length} requests`);
  }
  return results;
}
