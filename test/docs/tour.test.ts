import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const SECTIONS = ["A five-minute tour", "In production"];

test("every command of the README's tour does what the README says", { timeout: 300_000 }, async (t) => {
  const reader = new Reader("README.md");
  try {
    assert.equal(
      spawnSync("grpcurl", ["-version"], { env: reader.env }).status,
      0,
      "grpcurl is missing: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4, or run all of npm test",
    );
    const blocks = SECTIONS.flatMap((heading) => readTour(README, heading));
    for (const block of blocks) {
      await reader.follow(block);
    }
    assert.equal(reader.executed, blocks.length);
    t.diagnostic(`${blocks.length} blocks`);
  } finally {
    await reader.leave();
  }
});

test("no block of commands in the tour's sections escapes the test", () => {
  const fences = README.split("\n").filter((line) => line === "```sh").length;
  const inTour = SECTIONS.flatMap((heading) => readTour(README, heading)).length;
  // The one that is not in it: the two commands, whose `npm ci` would take minutes. Their scripts are checked below.
  assert.equal(inTour, fences - 1);
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  assert.ok(scripts["start"] && scripts["test"]);
});

test("a block that is neither commands nor their answer is refused", () => {
  const section = (...blocks: string[]) => `## T\n${blocks.map((block) => `\`\`\`${block}\n\`\`\`\n`).join("\n")}`;
  assert.equal(readTour(section("sh\na", "text\nb", "sh\nnpm start"), "T").length, 2);
  assert.equal(readTour(section("sh\na\nnpm start"), "T")[0]?.startsServer, true);
  for (const bad of [
    section("text\nb"),
    section("bash\na"),
    section("sh\na", "text\nb", "text\nc"),
    "## T\n```sh\na\n",
  ]) {
    assert.throws(() => readTour(bad, "T"), /line \d+/);
  }
  assert.throws(() => readTour("", "T"), /no section/);
});
