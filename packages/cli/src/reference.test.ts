import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { walkCommands } from "./command-tree.ts";
import { buildProgram } from "./program.ts";
import { renderReference, replaceReference } from "./reference.ts";
import { RESOLUTION } from "./root-help.ts";
import { fakeIo } from "./test-bed.ts";

const program = buildProgram(fakeIo().io, () => {});
const document = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");

test("docs/cli.md describes exactly the commands, options, codes and variables that there are", () => {
  const update = "run: node packages/cli/src/write-reference.ts";
  assert.equal(document, replaceReference(document, renderReference(program)), update);
});

test("docs/cli.md and --help name the same places for server and token in the same order", () => {
  const places = ["--url", "environment", "cli.json", "dev.json"];
  for (const lines of [RESOLUTION, document.match(/^\d\. .*$/gm) ?? []]) {
    assert.equal(lines.length, places.length);
    places.forEach((place, index) => {
      assert.ok(lines[index]?.includes(place), `${place}: ${lines[index]}`);
    });
  }
});

test("every command has a summary and examples that call it", () => {
  for (const { words, command, subcommands } of walkCommands(program)) {
    if (words.length === 0 || words[0] === "help" || subcommands.length > 0) {
      continue;
    }
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    assert.notEqual(command.summary(), "");
    assert.match(help, new RegExp(`Examples:[^]*\\bbunkms ${words.join(" ")}\\b`));
  }
});
