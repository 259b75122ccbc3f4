import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHandovers, splitHandovers } from "./handover-file.ts";
import { NoteMalformed } from "./text-form.ts";

const note = (name: string): string => `bunkms audit key handover v1\n${name}\n\n— ${name} AAAAAAE=\n`;

test("hand-overs are taken apart as they were put together", () => {
  for (const notes of [[], [note("a")], [note("a"), note("b"), note("c")]]) {
    assert.deepEqual(splitHandovers(formatHandovers(notes)), notes);
  }
});

test("a file with anything before the first is none", () => {
  for (const text of ["\n", "x\n", ` ${note("a")}`, `\n${note("a")}`, "bunkms audit key handover v1"]) {
    assert.throws(() => splitHandovers(text), NoteMalformed);
  }
});
