import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FAILURE_MEANINGS } from "../../packages/server/src/audit/witnesses/add-checkpoint.ts";
import { type RunningWitness, startWitness } from "../audit/witness-program.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PAGE = readFileSync(join(ROOT, "docs", "witnesses.md"), "utf8");

test("every command of docs/witnesses.md does what the page says", { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-witnesses-"));
  const running: RunningWitness[] = [];
  const reader = new Reader("docs/witnesses.md");
  try {
    const blocks = readTour(PAGE, "Setting up");
    assert.equal(blocks.length, PAGE.split("\n").filter((line) => line === "```sh").length);
    for (const block of blocks) {
      await reader.follow(block);
      if (block.commands.includes("log.vkey") && running.length === 0) {
        // What the operators of the witnesses do.
        const home = join(reader.env["HOME"] as string, "witnesses");
        const logs = [readFileSync(join(home, "log.vkey"), "utf8").trim()];
        for (const [name, keyType] of [
          ["north", "ed25519"],
          ["south", "ml-dsa-44"],
          ["east", "ml-dsa-44"],
        ] as const) {
          const state = join(folder, name);
          const witness = await startWitness({ state, logs, keyType, name: `${name}.example/witness` });
          running.push(witness);
          writeFileSync(join(home, name), `${witness.vkey} ${witness.url}\n`);
        }
      }
    }
    assert.equal(reader.executed, blocks.length);
  } finally {
    await reader.leave();
    await Promise.all(running.map((witness) => witness.stop()));
    rmSync(folder, { recursive: true });
  }
});

test("the page has all reasons for which a witness does not cosign, and no others", () => {
  const rows = PAGE.split("| reason |")[1]?.split("\n\n")[0]?.split("\n").slice(2) ?? [];
  const codes = rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([a-z_]+)`/g)].map(([, code]) => code));
  assert.deepEqual(codes.toSorted(), Object.keys(FAILURE_MEANINGS).toSorted());
});
