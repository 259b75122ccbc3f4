import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ED25519, formatVkey } from "@bunkms/tlog";
import { makeSigner, sampleLeaves, sampleLog, signedCheckpoint, writeLog } from "../audit/sample-log.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PAGE = readFileSync(join(ROOT, "docs", "auditing.md"), "utf8");
/** Those that have commands, in the order of the page. */
const SECTIONS = ["The key", "A copy of the log", "A receipt", "A receipt by hand"];

test("every command of docs/auditing.md does what the page says", { timeout: 300_000 }, async (t) => {
  const reader = new Reader("docs/auditing.md");
  try {
    const blocks = SECTIONS.flatMap((heading) => readTour(PAGE, heading));
    for (const block of blocks) {
      await reader.follow(block);
    }
    assert.equal(reader.executed, blocks.length);
    t.diagnostic(`${blocks.length} blocks`);
  } finally {
    await reader.leave();
  }
});

test("REQ-29: the Go program of docs/auditing.md verifies a mirror, and refuses one of which a byte was changed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-auditing-"));
  try {
    const program = join(folder, "main.go");
    writeFileSync(program, /^```go\n(.*?)^```$/ms.exec(PAGE)?.[1] ?? assert.fail("the page has no program"));
    const signer = makeSigner("bkms/0123456789abcdef0123456789abcdef/main", ED25519);
    const mirror = join(folder, "mirror");
    const log = sampleLog(signer.key.name, sampleLeaves(1000));
    await writeLog(mirror, log, signedCheckpoint(log.checkpoint, signer, []));
    const run = () =>
      promisify(execFile)("go", ["run", program, mirror, formatVkey(signer.key)], {
        cwd: join(ROOT, "test", "audit", "go"),
      });
    assert.equal((await run()).stdout, `1000 entries are those of ${signer.key.name}\n`);
    const bundle = join(mirror, "tile", "entries", "002");
    writeFileSync(bundle, readFileSync(bundle).with(1000, (readFileSync(bundle)[1000] as number) ^ 1));
    await assert.rejects(run());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
