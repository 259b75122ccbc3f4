import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runNodeTests } from "./node-tests.ts";
import type { Tally } from "./tally.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-runner-"));
after(() => rmSync(folder, { recursive: true }));

/** Runs one file with this content as the suite runs its own. */
async function run(content: string, timeoutMs = 20_000): Promise<Tally> {
  const path = join(folder, "sample.test.ts");
  writeFileSync(path, `import { describe, test } from "node:test";\nvoid describe;\nvoid test;\n${content}`);
  return runNodeTests([path], { concurrency: 1, timeoutMs, report: () => {} });
}

test("tests that pass are counted, those in suites and in other tests too, suites are not", async () => {
  const tally = await run(`
    test("a", () => {});
    describe("s", () => { test("b", () => {}); });
    test("c", async (t) => { await t.test("d", () => {}); });
  `);
  assert.deepEqual(tally, { passed: 4, failures: [] });
});

test("a test that fails is counted and told with its reason", async () => {
  const tally = await run(`test("good", () => {}); test("bad", () => { throw new Error("because"); });`);
  assert.equal(tally.passed, 1);
  assert.equal(tally.failures.length, 1);
  assert.match(tally.failures[0]?.name ?? "", /sample.test.ts › bad$/);
  assert.match(tally.failures[0]?.detail ?? "", /because/);
});

const BAD: Readonly<Record<string, readonly [content: string, detail: RegExp]>> = {
  "that is skipped": [`test("x", { sk${"ip"}: true }, () => {});`, /was skipped/],
  "that is to do": [`test("x", { to${"do"}: true }, () => {});`, /was skipped or marked as to do/],
  "that is to do and fails": [`test("x", { to${"do"}: true }, () => { throw new Error("no"); });`, /no/],
};
for (const [what, [content, detail]] of Object.entries(BAD)) {
  test(`a test ${what} is a failure`, async () => {
    const { passed, failures } = await run(content);
    assert.equal(passed, 0);
    assert.match(failures[0]?.detail ?? "", detail);
  });
}

test("a file without tests, one that does not load and one that exits early are failures", async () => {
  assert.match((await run("")).failures[0]?.detail ?? "", /has no tests/);
  assert.match((await run(`import "./absent.ts";`)).failures[0]?.detail ?? "", /ERR_MODULE_NOT_FOUND/);
  const early = await run(`test("a", () => {}); setTimeout(() => process.exit(3), 100);`);
  assert.match(early.failures[0]?.detail ?? "", /exit code 3/);
});

test("a file that never ends is killed and is a failure", async () => {
  assert.match((await run(`test("x", () => { for (;;); });`, 1500)).failures[0]?.detail ?? "", /did not end within/);
  const open = await run(`test("x", () => {}); setInterval(() => {}, 1000);`, 1500);
  assert.equal(open.passed, 1);
  assert.match(open.failures[0]?.detail ?? "", /did not end within 1.5 s/);
});

test("what a file left running is ended with it", async () => {
  const content = `
    import { spawn } from "node:child_process";
    import { writeFileSync } from "node:fs";
    test("x", () => {
      const child = spawn("sleep", ["600"], { stdio: "inherit" });
      writeFileSync(${JSON.stringify(join(folder, "pid"))}, String(child.pid));
      child.unref();
    });`;
  assert.deepEqual(await run(content), { passed: 1, failures: [] });
  assert.equal(isAlive(Number(readFileSync(join(folder, "pid"), "utf8"))), false);
});

/** A process that ended but that nobody waited for (a zombie) is not alive, though it still takes signals. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
