import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJsonPath } from "./json-path.ts";

test("a path is members, quoted members and elements, and a single dot is the value itself", () => {
  assert.deepEqual(parseJsonPath("."), []);
  assert.deepEqual(parseJsonPath("[]"), [{ kind: "elements" }]);
  assert.deepEqual(parseJsonPath('.items[].secret-2."a.\\"b\\u00e9"[][]'), [
    { kind: "member", name: "items" },
    { kind: "elements" },
    { kind: "member", name: "secret-2" },
    { kind: "member", name: 'a."bé' },
    { kind: "elements" },
    { kind: "elements" },
  ]);
  assert.deepEqual(parseJsonPath(".[].a"), parseJsonPath("[].a"));
});

for (const text of ["", "items", ".items.", ".items[0]", "..a", ".a b", '."open', '."\\x"', "$.a", ".a[]b"]) {
  test(`${JSON.stringify(text)} is not a path`, () => {
    assert.throws(() => parseJsonPath(text), /^Failure: --json-path: /);
  });
}
