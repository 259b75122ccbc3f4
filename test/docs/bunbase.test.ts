import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { listenOnLoopback } from "../bunbase/bundoc-build.ts";
import { copyModules } from "../harness/bunbase-sources.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PAGE = readFileSync(join(ROOT, "docs", "bunbase.md"), "utf8");
/** Those that have commands, in the order of the page. */
const SECTIONS = ["BunKMS", "bundoc-server", "An encrypted project", "A restart", "Rotating the key", "The end"];

/** The platform's sources, but for bundoc-server's address: under test it must not be open to the network. */
async function platform(): Promise<string> {
  const folder = copyModules("bundoc", "bundoc-server", "buncast");
  await listenOnLoopback(folder);
  return folder;
}

const reader = new Reader("docs/bunbase.md", {
  env: { BUNBASE_SRC: await platform(), ...goCaches() },
  replaced: new Map([
    ["4321", String(await findClosedPort())],
    ["8085", String(await findClosedPort())],
  ]),
  // A first build takes its time.
  blockMs: 300_000,
});

after(async () => {
  endBundoc();
  await reader.leave();
});

test("every command of docs/bunbase.md does what the page says", { timeout: 900_000 }, async (t) => {
  const blocks = SECTIONS.flatMap((heading) => readTour(PAGE, heading));
  for (const block of blocks) {
    await reader.follow(block);
  }
  assert.equal(reader.executed, blocks.length);
  t.diagnostic(`${blocks.length} blocks`);
});

/** What was built or downloaded before need not be again, although the reader has a home of his own. */
function goCaches(): Record<string, string> {
  const go = JSON.parse(execFileSync("go", ["env", "-json", "GOMODCACHE", "GOCACHE"], { encoding: "utf8" }));
  return { GOMODCACHE: go.GOMODCACHE, GOCACHE: go.GOCACHE };
}

/** Ends the bundoc-server that the page started, if it still runs. */
function endBundoc(): void {
  try {
    process.kill(Number(readFileSync(join(reader.clone, "bundoc", "bundoc.pid"), "utf8")));
  } catch {
    // It has ended, or was never started.
  }
}
