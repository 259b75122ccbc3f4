import assert from "node:assert/strict";
import { test } from "node:test";
import { findKeyType, keyTypeNames } from "../packages/server/src/crypto/key-types.ts";
import { keyTypesText } from "./generate-key-types.ts";

test("the page of key types names each type and each of its algorithms", () => {
  const text = keyTypesText();
  for (const name of keyTypeNames()) {
    const { ciphers = [], signatures = [], mac, agreement, encapsulation } = findKeyType(name) ?? assert.fail();
    const algorithms = [...ciphers, ...signatures, ...[mac, agreement, encapsulation].filter((of) => of !== undefined)];
    assert.ok(text.includes(`\n| \`${name}\` |`), name);
    assert.ok(algorithms.length > 0, name);
    for (const algorithm of algorithms) {
      const line = text.split("\n").find((of) => of.includes(`\`${name}\``) && of.includes(`| \`${algorithm.name}\``));
      assert.ok(line, `${name}: ${algorithm.name}`);
    }
  }
});

test("the page of key types is the same each time, and its tables are regular", () => {
  const text = keyTypesText();
  assert.equal(keyTypesText(), text);
  for (const table of text.matchAll(/(?:^\|.*\n)+/gm)) {
    const widths = table[0]
      .trimEnd()
      .split("\n")
      .map((line) => line.split("|").length);
    assert.equal(new Set(widths).size, 1);
  }
});
