import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GO_CLIENT } from "./go-caller.ts";

test("the Go code in clients/go/README.md is part of the examples, which another test runs", () => {
  const page = readFileSync(join(GO_CLIENT, "README.md"), "utf8");
  const examples = readFileSync(join(GO_CLIENT, "example_test.go"), "utf8").replaceAll(/^\t/gm, "");
  const blocks = [...page.matchAll(/^```go\n(.*?)^```$/gms)].map((match) => match[1] as string);
  assert.ok(blocks.length >= 6);
  for (const block of blocks) {
    assert.ok(examples.includes(block), block);
  }
});
