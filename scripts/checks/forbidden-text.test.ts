import assert from "node:assert/strict";
import { test } from "node:test";
import { findForbiddenText } from "./forbidden-text.ts";

// Put together here, since the check reads this file too.
const skip = ["sk", "ip"].join("");
const forbidden: readonly (readonly [name: string, line: string])[] = [
  ["docs/a.md", `see /${"home"}/someone/file`],
  ["packages/a/src/a.ts", `const path = "/${"work"}/main";`],
  ["scripts/a.ts", `// ${["TO", "DO"].join("")}: later`],
  ["clients/go/a_test.go", `t.${["Sk", "ip"].join("")}("no server")`],
  ["packages/a/src/a.test.ts", `test.${skip}("a", () => {});`],
  ["test/a.ts", `describe.${skip}("a", () => {});`],
];

for (const [name, line] of forbidden) {
  test(`the text check finds: ${name.replace(/.*\./, ".")} ${line.slice(0, 12)}`, () => {
    assert.equal(findForbiddenText(name, `fine\n${line}\n`).length, 1);
    assert.match(findForbiddenText(name, `fine\n${line}\n`)[0] ?? "", new RegExp(`^${name}:2: `));
  });
}

test("the text check passes ordinary text", () => {
  const lines = ["GET /v1/work/items", "./home/x", "https://example.org/home/x", "~/work/x", "a.skipped", "todos"];
  assert.deepEqual(findForbiddenText("packages/a/src/a.test.ts", lines.join("\n")), []);
});
