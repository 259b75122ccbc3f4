import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { test } from "node:test";
import { randomBytes } from "./random.ts";
import { combineShares, splitSecret } from "./shamir.ts";

const FILE = new URL("shamir.ts", import.meta.url);
const SOURCE = readFileSync(FILE, "utf8")
  .replaceAll(/\/\*[\s\S]*?\*\//g, "")
  .replaceAll(/\/\/.*$/gm, "");

/**
 * Counts, as V8 does for coverage, how often each branch and each loop of shamir.ts runs. The first range of a function, all
 * of it, is left out: its count stands still once the function was inlined into another.
 */
async function startCounting() {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const count = async (work: () => void) => {
    await session.post("Profiler.takePreciseCoverage");
    work();
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const functions =
      result.find(({ url }) => url === FILE.href)?.functions ?? assert.fail("shamir.ts was not counted");
    return functions
      .map(({ functionName, ranges }) => ({ functionName, branches: ranges.slice(1) }))
      .filter(({ branches }) => branches.length > 0);
  };
  return { count, stop: () => session.disconnect() };
}

const SECRETS = [Buffer.alloc(32), Buffer.alloc(32, 0xff), Buffer.alloc(32, 0x80), Buffer.alloc(32, 1)];

test("REQ-26, CVE-2023-25000: how many steps splitting and combining take does not depend on a value", async () => {
  const { count, stop } = await startCounting();
  const split = [];
  const combined = [];
  for (const value of [...SECRETS, ...SECRETS.map(() => randomBytes(32))]) {
    split.push(await count(() => splitSecret(value, 5, 3)));
    combined.push(await count(() => combineShares([1, 4, 5].map((index) => ({ index, value })))));
  }
  stop();
  for (const steps of [split, combined]) {
    assert.match(JSON.stringify(steps[0]), /"multiply"/);
    for (const other of steps) assert.deepEqual(other, steps[0]);
  }
  // The count sees what it should: 5 shares of 32 bytes and 2 coefficients are 320 products of 8 rounds.
  assert.match(JSON.stringify(split[0]), /"count":320\b.*"count":2560\b/);
});

test("REQ-26, CVE-2023-25000: no table is looked up, and the only subscripts are public positions", () => {
  const subscripts = [...SOURCE.matchAll(/[\w)\]]\[([^\]]*)\]/g)].map(([, inside]) => inside);
  assert.deepEqual(new Set(subscripts), new Set(["0", "at", ""]));
  assert.doesNotMatch(SOURCE, /\[\s*(?:0x[0-9a-f]+|\d+)\s*,/);
  assert.doesNotMatch(SOURCE, /\b(?:Map|switch|Uint8Array\(|Uint8Array\.|\.at\()/);
});

test("REQ-26, CVE-2023-25000: the arithmetic has no condition, no early return and no logical operator", () => {
  for (const name of ["multiply", "inverse", "evaluate", "byteAt"]) {
    const body = SOURCE.split(`function ${name}(`)[1]?.split("\n}")[0] ?? assert.fail(name);
    // Of a loop's head, only the count is compared.
    const loops = body.replaceAll(/for \(let \w+ = [^;]+; \w+ (?:<|>=) [\w.]+; \w+(?:\+\+|--)\)/g, "");
    assert.doesNotMatch(loops, /\bif\b|\?|&&|\|\||(?<![<>])[<>](?![<>])|===|!==|\bwhile\b/, name);
    assert.equal(loops.match(/\breturn\b/g)?.length, 1, name);
  }
});
