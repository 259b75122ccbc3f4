import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { refuseInspector } from "./process-hardening.ts";

const MODULE = new URL("./process-hardening.ts", import.meta.url).href;

/** Runs a module's text in a process of its own, since hardening cannot be undone. */
function run(source: string, ...flags: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = ["--disable-warning=ExperimentalWarning", ...flags, "--input-type=module", "--eval", source];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 30_000 });
  return { status, stdout, stderr };
}

test("REQ-07: core dumps, attaching and the debugger's signal are off after hardening", {
  skip: process.platform !== "linux",
}, () => {
  const { stdout, stderr } = run(`
    import { readFileSync } from "node:fs";
    import { dlopen } from "node:ffi";
    import { url } from "node:inspector";
    import { hardenProcess } from ${JSON.stringify(MODULE)};
    const done = hardenProcess();
    process.kill(process.pid, "SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { functions } = dlopen(null, {
      prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
    });
    console.log(JSON.stringify({
      done,
      dumpable: functions.prctl(3, 0n, 0n, 0n, 0n),
      cores: readFileSync("/proc/self/limits", "utf8").match(/Max core file size +(\\d+) +(\\d+)/).slice(1),
      inspector: url() ?? null,
    }));
  `);
  assert.deepEqual(JSON.parse(stdout), {
    done: { notDumpable: true, noCoreFiles: true, noDebugSignal: true },
    dumpable: 0,
    cores: ["0", "0"],
    inspector: null,
  });
  assert.doesNotMatch(stderr, /Debugger listening/);
});

test("REQ-07: an inspector that is open is refused, however it was opened", () => {
  const refuse = `import { refuseInspector } from ${JSON.stringify(MODULE)};`;
  const byFlag = run(`${refuse} refuseInspector([], undefined);`, "--inspect=127.0.0.1:0");
  const byCode = run(`import { open } from "node:inspector"; ${refuse} open(0, "127.0.0.1"); refuseInspector([], "");`);
  for (const { status, stderr } of [byFlag, byCode]) {
    assert.equal(status, 1);
    assert.match(stderr, /refusing to run with --inspect/);
  }
});

test("REQ-07: an inspector that is asked for is refused, in arguments and in NODE_OPTIONS", () => {
  for (const flag of ["--inspect", "--inspect=0.0.0.0:9229", "--inspect-brk", "--inspect_brk", "--inspect-port=0"]) {
    assert.throws(() => refuseInspector(["--no-warnings", flag], undefined), /--inspect/);
    assert.throws(() => refuseInspector([], `--no-warnings ${flag}`), /--inspect/);
    assert.throws(() => refuseInspector([], `"${flag}"`), /--inspect/);
  }
  refuseInspector(["--no-warnings", "--disable-sigusr1"], "--max-old-space-size=100");
  refuseInspector([], undefined);
});
