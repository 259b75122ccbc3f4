import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CIPHERTEXT_OVERHEAD } from "./ciphertext.ts";
import { COMMITMENT_LENGTH, MESSAGES_PER_SALT, MILLISECONDS_PER_SALT, SALT_LENGTH, SUITE } from "./derived-keys.ts";

const SPEC = readFileSync(new URL("../../../../spec/ciphertext.md", import.meta.url), "utf8");

/** The rows of the layout's table: offset, length, field, value. */
const rows = SPEC.split("## Layout")[1]
  ?.split("##")[0]
  ?.split("\n")
  .filter((line) => /^\| \d/.test(line))
  .map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, 5),
  ) as [string, string, string, string][];

test("the layout in spec/ciphertext.md is that of the code", () => {
  let offset = 0;
  const lengths: Record<string, number> = {};
  for (const [at, length, field] of rows) {
    assert.equal(Number(at), offset, field);
    if (field === "data") break;
    lengths[field] = Number(length);
    offset += Number(length);
  }
  assert.equal(offset + 16, CIPHERTEXT_OVERHEAD);
  assert.equal(lengths.salt, SALT_LENGTH);
  assert.equal(lengths.commitment, COMMITMENT_LENGTH);
  assert.match(SPEC, new RegExp(`The shortest ciphertext, of an empty plaintext, has ${CIPHERTEXT_OVERHEAD} bytes`));
  assert.equal(
    rows.find(([, , field]) => field === "suite")?.[3],
    `\`0${(SUITE >> 8).toString(16)} ${(SUITE & 255).toString(16)}\``,
  );
});

test("the bounds of a salt in spec/ciphertext.md are those of the code", () => {
  const bounds = /at most ([\d,]+) messages and at most (\d+) seconds a salt/.exec(SPEC);
  assert.equal(Number(bounds?.[1]?.replace(",", "")), MESSAGES_PER_SALT);
  assert.equal(Number(bounds?.[2]) * 1000, MILLISECONDS_PER_SALT);
});
