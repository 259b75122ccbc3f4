import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const IMPORTS = /^(?:import|export)\s(?:(type)\s)?(?:[\w\s{},*$]*?\sfrom\s)?\s*["']([^"']+)["'];/gm;

/** Every module that `entry` loads, itself among them, by following import and export declarations. */
function loadedFrom(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) {
    return seen;
  }
  seen.add(entry);
  const source = readFileSync(fileURLToPath(entry), "utf8");
  for (const [, kind, specifier] of source.matchAll(IMPORTS)) {
    if (kind !== undefined || specifier === undefined) {
      continue;
    }
    assert.doesNotMatch(specifier, /^node:/, `${entry} imports ${specifier}`);
    loadedFrom(specifier.startsWith(".") ? new URL(specifier, entry).href : import.meta.resolve(specifier), seen);
  }
  return seen;
}

test("the client loads no module that browsers lack", () => {
  const modules = loadedFrom(new URL("./index.ts", import.meta.url).href);
  assert.ok([...modules].some((module) => module.endsWith("contract/src/operations.ts")));
  assert.ok([...modules].some((module) => module.includes("@bufbuild/protobuf")));
});
