import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, runProgram } from "../../scripts/run-program.ts";
import { readGoEvents } from "../setup/go-tests.ts";
import { patched, runGo } from "./bundoc-build.ts";

const PATCHES = join(ROOT, "integrations", "bundoc");
const { folder } = await patched();

/** Files that the patches make or change, with the platform's folder first. */
async function changedFiles(): Promise<readonly string[]> {
  const patches = (await readdir(PATCHES)).filter((name) => name.endsWith(".patch"));
  const texts = await Promise.all(patches.map((name) => readFile(join(PATCHES, name), "utf8")));
  return [...texts.join("").matchAll(/^\+\+\+ b\/(\S+)$/gm)].map((match) => String(match[1]));
}

test("the patches are formatted, and pass Go's vet", async () => {
  const files = (await changedFiles()).filter((name) => name.endsWith(".go"));
  assert.ok(files.length > 8);
  assert.equal((await runProgram("gofmt", ["-l", ...files], { cwd: folder })).output, "");
  await runGo(join(folder, "bundoc"), ["vet", ".", "./internal/wal"]);
  await runGo(join(folder, "bundoc-server"), ["vet", ".", "./internal/manager"]);
});

test("Bundoc's patch needs nothing of this project", async () => {
  const files = (await changedFiles()).filter((name) => name.startsWith("bundoc/"));
  for (const file of files) {
    assert.ok(!(await readFile(join(folder, file), "utf8")).includes("bunkms"), file);
  }
  assert.ok(!files.includes("bundoc/go.mod"));
});

for (const [module, packages, least] of [
  ["bundoc", [".", "./internal/wal", "./internal/transaction", "./storage"], 60],
  ["bundoc-server", [".", "./internal/manager"], 12],
] as const) {
  test(`${module}'s own tests and those of the patch pass`, async () => {
    const output = await runGo(join(folder, module), ["test", "-json", "-count=1", ...packages]);
    const { passed, failures } = readGoEvents(output, 0);
    assert.deepEqual(failures, []);
    assert.ok(passed >= least, `${passed} passed`);
  });
}
