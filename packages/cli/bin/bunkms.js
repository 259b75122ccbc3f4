#!/usr/bin/env node
// Plain JavaScript without a build step: this file must run on Nodes that cannot strip types, and with a filled cache nothing of
// the runtime's TypeScript support is loaded, which takes a tenth of the CPU time to start.
import { existsSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runNode } from "./run-node.js";

const NEEDED = 26;

if (Number.parseInt(process.versions.node, 10) >= NEEDED) {
  const cacheHome = findCacheHome();
  if (cacheHome !== undefined) {
    module.enableCompileCache(join(cacheHome, "bunkms", "compiled"));
  }
  await import("../src/main.ts");
} else {
  const runtime = findPinnedNode(dirname(fileURLToPath(import.meta.url)));
  if (runtime === undefined) {
    console.error(`bunkms: needs Node ${NEEDED} or newer; this is ${process.version}`);
    console.error('  Run "npm ci" in the repository, which brings it, or start bunkms with a newer Node.');
    process.exit(7);
  }
  const program = fileURLToPath(import.meta.url);
  process.exitCode = await runNode(runtime, [
    "--disable-warning=ExperimentalWarning",
    program,
    ...process.argv.slice(2),
  ]);
}

/** The runtime that the npm package `node` brings, in the nearest node_modules above. */
function findPinnedNode(folder) {
  const name = process.platform === "win32" ? "node.exe" : "node";
  const candidate = join(folder, "node_modules", "node", "bin", name);
  if (existsSync(candidate)) {
    return candidate;
  }
  const parent = dirname(folder);
  return parent === folder ? undefined : findPinnedNode(parent);
}

/**
 * This user's own folder for what can be made again; undefined where a user has no home, or an empty one. Compiled code from a folder
 * that others can write to, such as the default below /tmp, or one in the folder where bunkms is run, would be theirs to choose.
 */
function findCacheHome() {
  try {
    const folder = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
    return isAbsolute(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}
