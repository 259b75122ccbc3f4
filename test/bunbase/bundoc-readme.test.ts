import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../scripts/run-program.ts";

const FOLDER = join(ROOT, "integrations", "bundoc");
const readme = await readFile(join(FOLDER, "README.md"), "utf8");

/** First cells of the README's table rows that look like this. */
function rows(pattern: RegExp): readonly string[] {
  const cells = [...readme.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => String(match[1]));
  return cells.filter((cell) => pattern.test(cell)).toSorted();
}

async function names(file: string, pattern: RegExp): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, "clients", "go", "bundoc", file), "utf8");
  return [...text.matchAll(pattern)].map((match) => String(match[1])).toSorted();
}

test("the guide for Bundoc lists all settings, errors and patches, and no others", async () => {
  const settings = await names("connect/connect.go", /= prefix \+ "(\w+)"$/gm);
  assert.deepEqual(
    rows(/^BUNDOC_BUNKMS_/),
    settings.map((name) => `BUNDOC_BUNKMS_${name}`),
  );
  assert.deepEqual(rows(/^Err/), await names("errors.go", /^\t(Err\w+)\s+= errors\.New/gm));
  const patches = (await readdir(FOLDER)).filter((name) => name.endsWith(".patch"));
  assert.deepEqual(rows(/\.patch$/), patches.toSorted());
});

test("the guide for Bundoc names every command that there is", async () => {
  const text = await readFile(join(ROOT, "clients", "go", "cmd", "bunkms-bundoc", "main.go"), "utf8");
  const commands = [...text.matchAll(/^ {2}(\w+) FOLDER/gm)].map((match) => String(match[1]));
  assert.ok(commands.length > 5);
  for (const command of commands) {
    assert.ok(readme.includes(`bunkms-bundoc ${command} `), command);
  }
});
