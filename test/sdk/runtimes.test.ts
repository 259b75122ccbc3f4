import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mustRun } from "../../scripts/run-program.ts";
import type { EnvelopeVectors } from "../../spec/vectors/envelope-vectors.ts";
import type { FileVectors } from "../../spec/vectors/file-vectors.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { runtimeProgram } from "../setup/runtime-programs.ts";
import { servePage } from "./browser-page.ts";
import { type InstalledClient, installClient } from "./installed-client.ts";
import type { CheckResult, ProgrammeSettings } from "./programme.ts";

const HERE = import.meta.dirname;
const SPEC = join(HERE, "..", "..", "spec", "vectors");
const TIMEOUT_MS = 60_000;

let server: TestServer;
let installed: InstalledClient;
/** What the programme checks, told by its first run. */
let checks: readonly string[] = [];

before(async () => {
  [server, installed] = await Promise.all([startServer(), installClient()]);
  for (const name of ["programme", "run-programme", "page"]) {
    installed.addProgramme(join(HERE, `${name}.ts`), `${name}.js`);
  }
  writeFileSync(join(installed.folder, "token"), `${server.rootToken}\n`);
});

after(async () => {
  installed?.remove();
  await server?.remove();
});

function settings(runtime: string): ProgrammeSettings {
  const { url: rest, rootToken: token, grpcAddr } = server;
  return {
    rest,
    token,
    runtime,
    more: { grpc: `grpc://${grpcAddr}`, tokenFile: join(installed.folder, "token") },
    envelopeVectors: (JSON.parse(readFileSync(join(SPEC, "envelope.json"), "utf8")) as EnvelopeVectors).vectors,
    fileVectors: (JSON.parse(readFileSync(join(SPEC, "file.json"), "utf8")) as FileVectors).vectors,
  };
}

/** Every check went well, and in each runtime they are the same. */
function verify(results: readonly CheckResult[]): void {
  const problems = results.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
  assert.deepEqual(problems, []);
  const names = results.map(({ name }) => name);
  checks = checks.length === 0 ? names : checks;
  assert.ok(names.length >= 11);
  assert.deepEqual(names, checks);
}

/** Runs the programme with a runtime. A program that is missing is installed by the set-up of `npm test`. */
async function run(runtime: string, program: string, args: readonly string[]): Promise<readonly CheckResult[]> {
  const child = spawn(program, [...args, "run-programme.js"], {
    cwd: installed.folder,
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], HOME: installed.folder, NO_COLOR: "1" },
    timeout: TIMEOUT_MS,
  });
  let [output, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = new Promise<number | string | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(settings(runtime)));
  // It ends by itself: nothing of the client keeps a process alive.
  assert.equal(await ended, 0, `${output}\n${errors}`);
  return JSON.parse(output) as readonly CheckResult[];
}

test("the installed client does everything in Node", async () => {
  verify(await run("node", process.execPath, []));
});

test("the installed client does everything in Deno", async () => {
  const rights = ["--allow-net", "--allow-read"];
  verify(await run("deno", runtimeProgram("deno"), ["run", ...rights, "--node-modules-dir=manual"]));
});

test("the installed client does everything in Bun", async () => {
  verify(await run("bun", runtimeProgram("bun"), []));
});

test("the installed client, in a bundle for browsers, does everything in Chromium but what browsers have not", async () => {
  const bundle = ["--bundle", "--format=esm", "--platform=browser", "--log-level=warning", "page.js"];
  const script = await mustRun(runtimeProgram("esbuild"), bundle, { cwd: installed.folder });
  assert.doesNotMatch(script, /node:(http2|crypto|fs)/);
  const { more: _, ...given } = settings("chromium");
  const page = await servePage(script, given);
  const profile = mkdtempSync(join(tmpdir(), "bunkms-chromium-"));
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", ...sandbox];
  const chromium = spawn("chromium", [...flags, `--user-data-dir=${profile}`, page.url], { stdio: "ignore" });
  const failed = new Promise<never>((_resolve, reject) => {
    chromium.on("error", reject);
    chromium.on("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
    setTimeout(() => reject(new Error("the page reported nothing")), TIMEOUT_MS).unref();
  });
  failed.catch(() => {});
  try {
    verify(await Promise.race([page.report, failed]));
  } finally {
    const ended = new Promise((resolve) => chromium.once("exit", resolve));
    if (chromium.exitCode === null && chromium.kill()) {
      await ended;
    }
    page.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
