import assert from "node:assert/strict";
import { test } from "node:test";
import { outputPattern, parseTranscript } from "./transcript.ts";

test("a transcript is commands with the output and exit code that must follow", () => {
  const steps = parseTranscript("# Title\n\n$ one\nout 1\n\nout 2\n\n# text\n\n$ two \\\n>   three\n? 4\n");
  assert.deepEqual(steps, [
    { line: 3, command: "one", expected: ["out 1", "", "out 2"], exitCode: 0 },
    { line: 10, command: "two \\\n  three", expected: [], exitCode: 4 },
  ]);
  assert.throws(() => parseTranscript("output\n$ one\n"), /line 1: output without a command/);
});

test("expected output matches nothing but itself, with placeholders for values", () => {
  const pattern = outputPattern(["id    <id>", "...", "a.c"]);
  assert.match(`id  ${"0a".repeat(16)}\na.c\n`, pattern);
  assert.match(`id      ${"0a".repeat(16)}\nany\nlines\na.c\n`, pattern);
  for (const output of [
    "",
    `id ${"0a".repeat(16)}\na.c\n`,
    `id  ${"0a".repeat(15)}\na.c\n`,
    `id  ${"0a".repeat(16)}\nabc\n`,
    `id  ${"0a".repeat(16)}\na.c\nmore\n`,
    `more\nid  ${"0a".repeat(16)}\na.c\n`,
  ]) {
    assert.doesNotMatch(output, pattern);
  }
});

test("an unknown placeholder is an error, not text", () => {
  assert.throws(() => outputPattern(["<uuid>"]), /no placeholder <uuid>/);
});
