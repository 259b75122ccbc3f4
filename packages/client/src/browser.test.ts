import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const STATIC = /^(?:import|export)\s(?:(type)\s)?(?:[\w\s{},*$]*?\sfrom\s)?\s*["']([^"']+)["'];/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
/** Types are erased: `typeof import("x")` loads nothing. */
const TYPE = /\btypeof import\([^)]*\)/g;
/** What Node has without an import, and browsers have not. `Buffer` in a comment or a text is none. */
const NODE_GLOBAL = /(?<![\w."'`/])(?:Buffer|process|setImmediate|__dirname|require)\b(?=[.(])/;

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

/** A module's address as a bundler for browsers finds it. */
function resolve(specifier: string, importer: string): string {
  const chosen = manifest.imports[specifier]?.["default"];
  if (chosen !== undefined) {
    return new URL(chosen, new URL("../package.json", import.meta.url)).href;
  }
  return specifier.startsWith(".") ? new URL(specifier, importer).href : import.meta.resolve(specifier);
}

/** Every module that `entry` loads, at once or later, itself among them, with its source. */
function loadedFrom(entry: string, seen = new Map<string, string>()): Map<string, string> {
  if (seen.has(entry)) {
    return seen;
  }
  const source = readFileSync(fileURLToPath(entry), "utf8").replaceAll(TYPE, "");
  seen.set(entry, source);
  const named = [...source.matchAll(STATIC)].flatMap(([, kind, specifier]) => (kind === undefined ? [specifier] : []));
  for (const specifier of [...named, ...[...source.matchAll(DYNAMIC)].map((match) => match[1])] as string[]) {
    assert.doesNotMatch(specifier, /^node:/, `${entry} imports ${specifier}`);
    loadedFrom(resolve(specifier, entry), seen);
  }
  return seen;
}

const modules = loadedFrom(new URL("./index.ts", import.meta.url).href);

test("the client loads no module that browsers lack, neither at once nor later", () => {
  for (const part of [
    "contract/src/operations.ts",
    "@bufbuild/protobuf",
    "file/file-cipher.ts",
    "runtime/browser.ts",
  ]) {
    assert.ok(
      [...modules.keys()].some((module) => module.includes(part)),
      part,
    );
  }
  for (const part of ["runtime/node.ts", "grpc/", "import/wrap-material.ts", "attachment/attachment.ts", "backup/"]) {
    assert.ok(![...modules.keys()].some((module) => module.includes(`client/src/${part}`)), part);
  }
});

test("the client's modules use nothing that is Node's without an import", () => {
  for (const [module, source] of modules) {
    const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
    if (!module.includes("@bufbuild")) {
      assert.doesNotMatch(code, NODE_GLOBAL, module);
    }
  }
});
