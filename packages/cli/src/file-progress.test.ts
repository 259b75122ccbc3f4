import assert from "node:assert/strict";
import { test } from "node:test";
import { withProgress } from "./file-progress.ts";
import { fakeIo } from "./test-bed.ts";

const MIB = 1024 * 1024;

/** What is shown while ten chunks of 1 MiB pass, one each 100 ms; `|` where the line is cleared. */
async function shown(terminal: boolean, total: number | undefined): Promise<string> {
  const { io, outcome } = fakeIo({ terminal });
  let time = 0;
  async function* chunks() {
    for (let i = 0; i < 10; i++) {
      yield new Uint8Array(MIB);
      time += 100;
    }
  }
  let passed = 0;
  for await (const chunk of withProgress({ ...io, now: () => new Date(time) }, chunks(), total)) {
    passed += chunk.length;
  }
  assert.equal(passed, 10 * MIB);
  return outcome(0).stderr.replaceAll("\r\x1b[K", "|");
}

test("a terminal shows how far a file is, and in the end no line is left", async () => {
  const text = await shown(true, 10 * MIB);
  assert.match(text, /\|\d+ % of 10 MiB, \d+ MiB\/s/);
  assert.match(text, /\|$/);
  assert.match(await shown(true, undefined), /\|\d+ MiB, \d+ MiB\/s/);
});

test("what is no terminal shows no progress", async () => {
  assert.equal(await shown(false, 10 * MIB), "");
});
