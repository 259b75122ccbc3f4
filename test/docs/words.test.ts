import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readOperations } from "@bunkms/contract";
import { REPLACED_SETTINGS } from "../../packages/server/src/config/replaced-settings.ts";
import { isForeignVariable, SETTINGS } from "../../packages/server/src/config/settings.ts";
import { ROOT, readDocuments } from "./documents.ts";

const DOCUMENTS = readDocuments();
const SERVER = globSync("packages/server/src/**/*.ts", { cwd: ROOT })
  .filter((name) => !name.endsWith(".test.ts"))
  .map((name) => readFileSync(join(ROOT, name), "utf8"))
  .join("\n");

/** Words of this form in all documents that `isKnown` does not know. */
function unknown(form: RegExp, isKnown: (word: string) => boolean): readonly string[] {
  return DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(form)].flatMap(([, word = ""]) => (isKnown(word) ? [] : [`${path}: ${word}`])),
  );
}

test("every setting that a document names exists", () => {
  const names = Object.values(SETTINGS).map(({ env }) => env);
  assert.deepEqual(
    unknown(
      /\b(BUNKMS_[A-Z0-9_]+)\b/g,
      (word) => names.includes(word) || isForeignVariable(word) || REPLACED_SETTINGS.has(word),
    ),
    [],
  );
});

test("every metric that a document names exists", () => {
  assert.deepEqual(
    unknown(/`(bunkms_[a-z_]+)`/g, (word) => SERVER.includes(`"${word}"`)),
    [],
  );
});

test("every policy action that a document names in an rpc's manner exists", () => {
  const actions = readOperations().map(({ action }) => action);
  const local = [
    "system.initialise",
    "system.unseal",
    "system.new_root_token",
    "system.accept_rollback",
    "keys.destroy",
    "keys.record_usage",
    "keys.expire_imports",
    "tokens.remove_expired",
    "calls.refuse",
  ];
  const files = ["tokens.txt", "keys.txt", "secrets.txt"];
  const proto = ["system.proto", "options.proto", "keys.proto", "record.proto"];
  assert.deepEqual(
    unknown(/[`" ]((?:calls|keys|secrets|tokens|audit|system)\.[a-z_]+)[`" ]/g, (word) =>
      [...actions, ...local, ...proto, ...files].includes(word),
    ),
    [],
  );
});

test("what docs/operating.md says the server says, it says", () => {
  const text = DOCUMENTS.find(({ path }) => path === "docs/operating.md")?.text ?? "";
  const table = text.slice(text.indexOf("| what it says |"), text.indexOf("**Disk full.**"));
  const phrases = table
    .split("\n")
    .slice(2)
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] as string));
  assert.equal(phrases.length, 18);
  const errors = readFileSync(join(ROOT, "packages", "contract", "src", "errors.ts"), "utf8");
  assert.deepEqual(
    phrases.filter((phrase) => !SERVER.includes(phrase) && !errors.includes(phrase)),
    [],
  );
});
