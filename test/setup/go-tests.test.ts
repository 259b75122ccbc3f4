import assert from "node:assert/strict";
import { test } from "node:test";
import { readGoEvents } from "./go-tests.ts";

const lines = (...events: readonly object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join("");

test("passed Go tests are counted, packages are not", () => {
  const text = lines({ Action: "pass", Package: "p", Test: "TestA" }, { Action: "pass", Package: "p" });
  assert.deepEqual(readGoEvents(text, 0), { passed: 1, failures: [] });
});

test("failed and skipped Go tests are failures, with what they printed", () => {
  const text = lines(
    { Action: "output", Package: "p", Test: "TestA", Output: "because\n" },
    { Action: "fail", Package: "p", Test: "TestA" },
    { Action: "skip", Package: "p", Test: "TestB" },
  );
  assert.deepEqual(readGoEvents(text, 1), {
    passed: 0,
    failures: [
      { name: "p › TestA", detail: "because\n" },
      { name: "p › TestB", detail: "skip" },
    ],
  });
});

test("Go tests that do not build, and no Go tests at all, are a failure", () => {
  assert.equal(readGoEvents("cannot find module\n", 1).failures.length, 1);
  assert.match(readGoEvents("", 0).failures[0]?.detail ?? "", /ran no test/);
});
