import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram } from "../../scripts/run-program.ts";
import { bunbaseSources, copyModules } from "./bunbase-sources.ts";

test("modules are copied beside each other, and the go command may write in the copies alone", () => {
  const folder = copyModules("bun-kms", "pkg");
  assert.ok(existsSync(join(folder, "pkg", "kmsrpc", "client.go")));
  writeFileSync(join(folder, "bun-kms", "go.sum"), "");
  assert.ok(statSync(join(bunbaseSources(), "bun-kms", "go.sum")).size > 0);
});

test("a folder that does not hold the platform's sources is refused, with what is wrong", async () => {
  const empty = mkdtempSync(join(tmpdir(), "bunkms-none-"));
  try {
    const script = `import("${import.meta.resolve("./bunbase-sources.ts")}").then((m) => m.bunbaseSources())`;
    const args = ["--disable-warning=ExperimentalWarning", "--eval", script];
    const { code, output } = await runProgram(process.execPath, args, { env: { BUNBASE_SRC: empty } });
    assert.notEqual(code, 0);
    assert.match(output, /BUNBASE_SRC: holds no sources of BunBase/);
  } finally {
    rmSync(empty, { recursive: true });
  }
});
