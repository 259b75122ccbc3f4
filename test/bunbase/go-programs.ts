import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun } from "../../scripts/run-program.ts";
import { copyModules } from "../harness/bunbase-sources.ts";
import { withoutSettings } from "../harness/server.ts";

const GO = join(import.meta.dirname, "go");
/** The go command may complete go.sum in the copies. */
export const GO_ENVIRONMENT: Readonly<Record<string, string>> = { GOFLAGS: "-mod=mod" };

/** Copies of the platform's modules, with this folder's programs among their commands, where they may import what is internal. */
export interface GoPrograms {
  /** The module of the Go BunKMS. */
  readonly kmsFolder: string;
  /** Its server, command line and load tester, unchanged. */
  readonly server: string;
  readonly cli: string;
  readonly loadtest: string;
  readonly token: string;
  readonly probe: string;
  /** For `go test -overlay`: the API server's file is replaced by one that hands on to ours. */
  readonly overlay: string;
}

let made: Promise<GoPrograms> | undefined;

/** Builds all, once per process. @throws Error when Go, a module or the platform's sources are missing: no test is skipped. */
export function goPrograms(): Promise<GoPrograms> {
  made ??= build();
  return made;
}

async function build(): Promise<GoPrograms> {
  const folder = copyModules("bun-kms", "bunder", "pkg", "tenant-auth");
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const inModule = async (module: string, commands: readonly string[]): Promise<void> => {
    const packages = commands.map((command) => `./cmd/${command}`);
    await mustRun("go", ["build", "-o", `${bin}/`, ...packages], { cwd: join(folder, module), env: GO_ENVIRONMENT });
  };
  cpSync(join(GO, "token"), join(folder, "bun-kms", "cmd", "token"), { recursive: true });
  cpSync(join(GO, "probe"), join(folder, "tenant-auth", "cmd", "probe"), { recursive: true });
  await inModule("bun-kms", ["server", "cli", "loadtest", "token"]);
  await inModule("tenant-auth", ["probe"]);
  const kmsFolder = join(folder, "bun-kms");
  const overlay = join(folder, "overlay.json");
  const replaced = join(kmsFolder, "internal", "api", "server.go");
  writeFileSync(overlay, JSON.stringify({ Replace: { [replaced]: join(GO, "api", "server.go") } }));
  return {
    kmsFolder,
    overlay,
    server: join(bin, "server"),
    cli: join(bin, "cli"),
    loadtest: join(bin, "loadtest"),
    token: join(bin, "token"),
    probe: join(bin, "probe"),
  };
}

/** A token to be made by Go; `kind` names one that is not as the Go BunKMS makes them. */
export interface TokenOrder {
  readonly secret: string;
  readonly subject: string;
  readonly role: string;
  readonly seconds: number;
  readonly kind?: string;
}

/** Has Go make tokens, in the order of their orders. */
export async function goTokens(orders: readonly TokenOrder[]): Promise<readonly string[]> {
  const { token } = await goPrograms();
  const { code, output, errors } = await feed(token, [], JSON.stringify(orders));
  if (code !== 0) {
    throw new Error(`token ended with ${code}: ${errors}`);
  }
  return JSON.parse(output) as readonly string[];
}

/** How a program ended that was given its input. */
export interface FedProgram {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program with something on its standard input. @param env Added to this process's environment. */
export async function feed(
  program: string,
  args: readonly string[],
  input: string | Buffer = "",
  env: Readonly<Record<string, string>> = {},
): Promise<FedProgram> {
  const child = spawn(program, args, {
    env: { ...withoutSettings(process.env), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A program that does not read its input is no failure.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [output, errors, [code]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, output: Buffer.concat(output).toString("utf8"), errors: Buffer.concat(errors).toString("utf8") };
}
