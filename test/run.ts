/**
 * `npm test`: installs the tools that are missing, runs all checks and all tests, and ends with one line that counts them.
 *
 * `--soak` runs the long forms of the tests. `--only PATTERN` runs only checks and test files whose name has the pattern.
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CHECK_NAMES, runChecks } from "../scripts/check-steps.ts";
import { ROOT, toolEnvironment } from "../scripts/run-program.ts";
import { runGoTests } from "./setup/go-tests.ts";
import { runNodeTests } from "./setup/node-tests.ts";
import { closingLine, type Failure, redact, type Tally } from "./setup/tally.ts";
import { ensureTools } from "./setup/tools.ts";

const MINUTE_MS = 60_000;
const TESTS = "{test,spec,bench,packages,scripts}/**/*.test.ts";

const { values } = parseArgs({ options: { soak: { type: "boolean" }, only: { type: "string" } } });
const isWanted = (name: string): boolean => values.only === undefined || name.includes(values.only);

function say(text: string): void {
  console.log(redact(text));
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Settings of a server that this terminal uses must not reach the servers under test. */
function prepareEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("BUNKMS_") && !name.startsWith("BUNKMS_TEST_")) {
      delete process.env[name];
    }
  }
  if (values.soak === true) {
    process.env["BUNKMS_SOAK"] = "1";
  }
  process.env["PATH"] = toolEnvironment()["PATH"];
}

async function check(): Promise<Tally> {
  const failures: Failure[] = [];
  let passed = 0;
  await runChecks(({ name, passed: isOk, milliseconds, output }) => {
    say(`${isOk ? "ok    " : "FAILED"} check: ${name} (${seconds(milliseconds)})`);
    if (isOk) {
      passed += 1;
    } else {
      failures.push({ name: `check: ${name}`, detail: output });
    }
  }, isWanted);
  return { passed, failures };
}

function testFiles(): readonly string[] {
  // Those of test/ start servers and take longest, so they begin first.
  return globSync(TESTS, { cwd: ROOT, exclude: (name) => name === "node_modules" })
    .filter(isWanted)
    .toSorted((a, b) => Number(b.startsWith("test/")) - Number(a.startsWith("test/")) || (a < b ? -1 : 1))
    .map((file) => join(ROOT, file));
}

async function testTypeScript(): Promise<Tally> {
  return runNodeTests(testFiles(), {
    concurrency: 2,
    timeoutMs: (values.soak === true ? 360 : 10) * MINUTE_MS,
    report: ({ file, passed, failures, milliseconds, output }) => {
      say(`${failures.length === 0 ? "ok    " : "FAILED"} ${file}: ${passed} passed (${seconds(milliseconds)})`);
      if (output.trim() !== "") {
        say(output.trimEnd().replaceAll(/^/gm, "         "));
      }
    },
  });
}

async function testGo(): Promise<Tally> {
  const tally = await runGoTests(join(ROOT, "clients", "go"));
  say(`${tally.failures.length === 0 ? "ok    " : "FAILED"} clients/go: ${tally.passed} passed`);
  return tally;
}

async function runAll(): Promise<Tally> {
  prepareEnvironment();
  await ensureTools((line) => say(`setup: ${line}`));
  const parts = [
    ...(CHECK_NAMES.some(isWanted) ? [await check()] : []),
    await testTypeScript(),
    ...(isWanted("clients/go") ? [await testGo()] : []),
  ];
  return {
    passed: parts.reduce((sum, { passed }) => sum + passed, 0),
    failures: parts.flatMap(({ failures }) => failures),
  };
}

const total = await runAll().catch((error: unknown): Tally => {
  return { passed: 0, failures: [{ name: "the suite itself", detail: (error as Error).stack ?? String(error) }] };
});
for (const { name, detail } of total.failures) {
  say(`\n--- ${name}\n${detail.trimEnd()}`);
}
say(`\n${closingLine(total)}`);
process.exitCode = total.failures.length === 0 && total.passed > 0 ? 0 : 1;
