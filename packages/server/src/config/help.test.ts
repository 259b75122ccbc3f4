import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { helpText } from "./help.ts";
import { SETTING_NAMES, SETTINGS } from "./settings.ts";

const DOCUMENT = join(import.meta.dirname, "../../../../docs/configuration.md");

test("--help lists each setting with its flag, variable, default and description", () => {
  const help = helpText();
  for (const name of SETTING_NAMES) {
    const { flag, env, default: fallback, description } = SETTINGS[name];
    for (const part of [flag, env, description, fallback && `(default ${fallback})`]) {
      assert.ok(part === undefined || help.includes(part), `${name}: ${part}`);
    }
  }
  assert.ok(help.split("\n").every((line) => line.length <= 120));
});

test("no secret setting has a flag", () => {
  const secret = SETTING_NAMES.filter((name) => SETTINGS[name].secret);
  assert.deepEqual(secret, ["masterKey", "pkcs11Pin", "transitToken", "jwtSecret"]);
  assert.ok(secret.every((name) => SETTINGS[name].flag === undefined));
});

test("every default is a valid value of its own setting", () => {
  for (const name of SETTING_NAMES) {
    const { type, default: fallback } = SETTINGS[name];
    assert.ok(fallback === undefined || type.parse(fallback) !== undefined, name);
  }
});

test("docs/configuration.md and the table of settings say the same", () => {
  const documented = readFileSync(DOCUMENT, "utf8")
    .split("\n")
    .filter((line) => /^\| (`--|–)/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
  const code = (text: string | undefined): string => (text === undefined ? "–" : `\`${text}\``);
  const expected = SETTING_NAMES.map((name) => {
    const { flag, env, type, default: fallback, description } = SETTINGS[name];
    return [
      code(flag),
      code(env),
      type.placeholder === "" ? "switch" : code(type.placeholder),
      code(fallback),
      description,
    ];
  });
  assert.deepEqual(documented, expected);
});
