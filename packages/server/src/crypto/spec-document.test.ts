import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CIPHERTEXT_OVERHEAD } from "./committing-cipher.ts";
import { COMMITMENT_LENGTH, MESSAGES_PER_SALT, MILLISECONDS_PER_SALT, SALT_LENGTH } from "./derived-keys.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";
import { HEADER_LENGTH, SUITES } from "./suites.ts";

const SPEC = readFileSync(new URL("../../../../spec/ciphertext.md", import.meta.url), "utf8");

/** The rows of the first table after a heading, without its own heading. */
function table(heading: string): string[][] {
  const lines = SPEC.split(`\n${heading}\n`)[1]?.split("\n#")[0]?.split("\n") ?? [];
  const start = lines.findIndex((line) => line.startsWith("|---"));
  const end = lines.findIndex((line, at) => at > start && !line.startsWith("|"));
  return lines.slice(start + 1, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Checks that each field begins where the one before it ends; returns the lengths, and where the first open field begins. */
function layout(heading: string): { lengths: Record<string, number>; end: number } {
  let end = 0;
  const lengths: Record<string, number> = {};
  for (const [at, length, field] of table(heading) as [string, string, string][]) {
    assert.equal(Number(at), end, field);
    if (field === "data") break;
    lengths[field] = Number(length);
    end += Number(length);
  }
  return { lengths, end };
}

test("the layouts in spec/ciphertext.md are those of the code", () => {
  assert.equal(layout("## Header").end, HEADER_LENGTH);
  const { lengths, end } = layout("## Suite 0478");
  assert.equal(end + 16, CIPHERTEXT_OVERHEAD);
  assert.deepEqual(lengths, { header: HEADER_LENGTH, salt: SALT_LENGTH, commitment: COMMITMENT_LENGTH, nonce: 12 });
  assert.match(SPEC, new RegExp(`The shortest ciphertext, of an empty plaintext, has ${CIPHERTEXT_OVERHEAD} bytes`));
});

test("the suites in spec/ciphertext.md are those of the code, of their ciphers and of their key types", () => {
  const documented = table("## Suites") as [string, string, string, string, string, string][];
  const typesOf = (cipher: string): string[] =>
    keyTypeNames().filter((name) => findKeyType(name)?.ciphers?.some((of) => of.name === cipher));
  const rows = [...SUITES.values()].map((suite) => {
    const digits = suite.number.toString(16).padStart(4, "0");
    const types = typesOf(suite.cipher).map((name) => `\`${name}\``);
    return [`\`${digits.slice(0, 2)} ${digits.slice(2)}\``, `\`${suite.cipher}\``, types.join(", ")];
  });
  assert.deepEqual(
    documented.map((cells) => cells.slice(0, 3)),
    rows,
  );
  for (const [digits, cipher, , after, bytes] of documented) {
    const suite = SUITES.get(Number.parseInt(digits.replaceAll(/[` ]/g, ""), 16)) ?? assert.fail(digits);
    const fitting = Array.from({ length: 1000 }, (_, length) => length).filter((length) => suite.fits(length));
    const fields = [...after.matchAll(/\((\d+)\)/g)].reduce((sum, [, length]) => sum + Number(length), HEADER_LENGTH);
    const said = /^(\d+) or more$/.exec(bytes)?.[1];
    if (said === undefined) assert.equal(fitting.join(", "), bytes, cipher);
    else
      assert.deepEqual([fitting[0], fields, fitting.length], [Number(said), Number(said), 1000 - Number(said)], cipher);
  }
});

test("every cipher of the table has a suite that names it, and no two have the same", () => {
  const ciphers = new Set(keyTypeNames().flatMap((name) => findKeyType(name)?.ciphers ?? []));
  assert.equal(ciphers.size, SUITES.size);
  for (const { name, suite } of ciphers) assert.equal(SUITES.get(suite)?.cipher, name);
});

test("REQ-18: spec/ciphertext.md says that suite 0478 alone is key-committing", () => {
  for (const [digits, , , , , committing] of table("## Suites") as [string, string, string, string, string, string][]) {
    assert.equal(committing, digits === "`04 78`" ? "yes" : "no", digits);
  }
});

test("the budgets in spec/ciphertext.md are those of the code", () => {
  const documented = Object.fromEntries(
    (table("### The other suites") as [string, string, string][]).map(([cipher, budget]) => [
      cipher.replaceAll("`", ""),
      budget === "none" ? undefined : 2 ** Number(/^2\^(\d+)$/.exec(budget)?.[1]),
    ]),
  );
  const symmetric = keyTypeNames()
    .filter((name) => name !== "aes-256" && !findKeyType(name)?.loadPublic)
    .flatMap((name) => findKeyType(name)?.ciphers ?? []);
  assert.deepEqual(documented, Object.fromEntries(symmetric.map(({ name, budget }) => [name, budget])));
});

test("the bounds of a salt in spec/ciphertext.md are those of the code", () => {
  const bounds = /at most ([\d,]+) messages and at most (\d+) seconds a salt/.exec(SPEC);
  assert.equal(Number(bounds?.[1]?.replace(",", "")), MESSAGES_PER_SALT);
  assert.equal(Number(bounds?.[2]) * 1000, MILLISECONDS_PER_SALT);
});
