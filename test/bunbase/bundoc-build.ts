import { cpSync } from "node:fs";
import { join } from "node:path";
import { mustRun, ROOT } from "../../scripts/run-program.ts";
import { copyModules } from "../harness/bunbase-sources.ts";

const CLIENT = "github.com/bunbase/bunkms/clients/go";
const PATCHES = ["0001-bundoc-key-provider", "0002-bundoc-sealed-log", "0003-bundoc-server-bunkms"];
const GO = { env: { GOFLAGS: "-mod=mod -trimpath", GOWORK: "off" } };

/** Copies of the platform's sources, in which Bundoc is built. */
export interface BundocSources {
  /** The folder that holds the modules. */
  readonly folder: string;
  /** Builds a program that opens databases: `test/bunbase/bundoc-probe`. @returns its path. */
  probe(): Promise<string>;
  /** Builds bundoc-server, listening on loopback. @returns its path. */
  server(): Promise<string>;
}

/** Bundoc as it is. */
export function unpatched(): BundocSources {
  return sources(copyModules("bundoc", "bundoc-server", "buncast"), "");
}

/** Bundoc with the patches of `integrations/bundoc`, and this project's Go module where they expect it. */
export async function patched(): Promise<BundocSources> {
  const folder = copyModules("bundoc", "bundoc-server", "buncast");
  for (const patch of PATCHES) {
    const path = join(ROOT, "integrations", "bundoc", `${patch}.patch`);
    await mustRun("git", ["apply", "--whitespace=error", path], { cwd: folder });
  }
  cpSync(join(ROOT, "clients", "go"), join(folder, "bunkms-go"), { recursive: true });
  return sources(folder, "patched");
}

/** Has bundoc-server in these sources listen on loopback: as it is it listens on all addresses, which a server under test must not. */
export async function listenOnLoopback(folder: string): Promise<void> {
  const main = join(folder, "bundoc-server", "main.go");
  await mustRun("sed", ["-i", 's/Sprintf(":%d"/Sprintf("127.0.0.1:%d"/', main], {});
}

/** Builds the command bunkms-bundoc. @returns its path. */
export async function buildTool(folder: string): Promise<string> {
  const path = join(folder, "bunkms-bundoc");
  await mustRun("go", ["build", "-trimpath", "-o", path, "./cmd/bunkms-bundoc"], { cwd: join(ROOT, "clients", "go") });
  return path;
}

/** Runs the go command in a module of these sources. @returns what it printed. */
export function runGo(folder: string, args: readonly string[]): Promise<string> {
  return mustRun("go", args, { ...GO, cwd: folder });
}

function sources(folder: string, tags: string): BundocSources {
  async function build(module: string, name: string, pack: string): Promise<string> {
    const path = join(folder, name);
    await runGo(join(folder, module), ["build", `-tags=${tags}`, "-o", path, pack]);
    return path;
  }
  return {
    folder,
    probe: async () => {
      const module = join(folder, "bundoc");
      cpSync(join(import.meta.dirname, "bundoc-probe"), join(module, "cmd", "probe"), { recursive: true });
      const client = join(ROOT, "clients", "go");
      const edits = [`-require=${CLIENT}@v0.0.0-00010101000000-000000000000`, `-replace=${CLIENT}=${client}`];
      await runGo(module, ["mod", "edit", "-go=1.26.0", ...edits]);
      return build("bundoc", "probe", "./cmd/probe");
    },
    server: async () => {
      await listenOnLoopback(folder);
      return build("bundoc-server", "server", ".");
    },
  };
}
