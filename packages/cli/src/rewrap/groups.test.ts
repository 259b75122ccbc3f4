import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inGroups, inOrder } from "./groups.ts";
import type { Part } from "./parts.ts";

const ciphertext = (text: string): Part => ({
  kind: "item",
  bytes: Buffer.from(text),
  ciphertext: text,
  after: { offset: 0, line: 1, open: [] },
});
const copy = (length: number): Part => ({ kind: "copy", bytes: Buffer.alloc(length) });

async function shapes(parts: readonly Part[], limits = { items: 2, bytes: 100, bytesEach: 0 }) {
  const groups = await Array.fromAsync(inGroups(fromArray(parts), limits));
  return groups.map((group) => [
    group.parts.map((part) => (part.kind === "copy" ? "-" : "c")).join(""),
    group.after !== undefined,
  ]);
}

async function* fromArray<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test("a group ends with the ciphertext that fills it, by number or by bytes", async () => {
  const small = [copy(1), ciphertext("a"), copy(1), ciphertext("b"), copy(1), ciphertext("c"), copy(1)];
  assert.deepEqual(await shapes(small), [
    ["-c-c", true],
    ["-c-", false],
  ]);
  const large = ciphertext("x".repeat(60));
  assert.deepEqual(await shapes([large, large, large], { items: 9, bytes: 100, bytesEach: 0 }), [
    ["cc", true],
    ["c", true],
  ]);
  assert.deepEqual(await shapes([ciphertext("a")], { items: 9, bytes: 100, bytesEach: 100 }), [
    ["c", true],
    ["", false],
  ]);
});

test("a long stretch without ciphertexts is not gathered", async () => {
  const stretch = Array.from({ length: 8 }, () => copy(512 * 1024));
  assert.deepEqual(
    (await shapes(stretch)).map(([shape]) => shape),
    ["--", "--", "--", "--", ""],
  );
});

test("results come in the order of the items while several are worked on", async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    await sleep(item % 3);
    running -= 1;
    return item * 2;
  };
  const items = Array.from({ length: 20 }, (_, item) => item);
  assert.deepEqual(
    await Array.fromAsync(inOrder(fromArray(items), 4, work)),
    items.map((item) => item * 2),
  );
  assert.equal(most, 4);
});

test("a failure comes in its turn, and nothing is under way after it", async () => {
  let running = 0;
  const work = async (item: number): Promise<number> => {
    running += 1;
    await sleep(5);
    running -= 1;
    if (item === 2) {
      throw new Error("no");
    }
    return item;
  };
  const done: number[] = [];
  await assert.rejects(async () => {
    for await (const result of inOrder(fromArray([0, 1, 2, 3, 4, 5]), 3, work)) {
      done.push(result);
    }
  }, /no/);
  assert.deepEqual([done, running], [[0, 1], 0]);
});
