import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("actions of one resource never overlap and keep their order, also when one fails", async () => {
  const turns = new Turns();
  const events: string[] = [];
  const action = (name: string) => async () => {
    events.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    events.push(`${name} ends`);
    if (name === "b") {
      throw new Error("b failed");
    }
    return name;
  };
  const results = await Promise.allSettled(["a", "b", "c"].map((name) => turns.run("key/k", action(name))));
  assert.deepEqual(events, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
});

test("actions of different resources do not wait for each other", async () => {
  const turns = new Turns();
  let release = (): void => {};
  const held = turns.run("key/a", () => new Promise<void>((resolve) => (release = resolve)));
  assert.equal(await turns.run("key/b", async () => "done"), "done");
  release();
  await held;
});
