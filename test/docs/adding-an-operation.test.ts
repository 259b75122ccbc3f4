import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..", "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const blocks = (language: string): readonly string[] =>
  [...read("docs/adding-an-operation.md").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2] as string);

test("the page about adding an operation shows the contract and the handler as they are", () => {
  const contract = read("proto/bunkms/v1/system.proto");
  assert.equal(blocks("proto").length, 2);
  for (const block of blocks("proto")) {
    assert.ok(contract.includes(block), block);
  }
  assert.deepEqual(blocks("ts"), [read("packages/server/src/operations/generate-random.ts")]);
});
