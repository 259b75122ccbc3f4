import assert from "node:assert/strict";
import { test } from "node:test";
import type { Committer } from "../pipeline/committer.ts";
import { DeferredEntries } from "./deferred-entries.ts";

test("refusals leave half of the room to others, also after they could not be written", async () => {
  const written: string[] = [];
  let isBroken = true;
  const committer = {
    submit: async (entry: Buffer) => {
      if (isBroken) {
        throw new Error("the disk is full");
      }
      written.push(entry.toString());
    },
  } as unknown as Committer;
  const deferred = new DeferredEntries(() => 0);
  const refuse = (count: number): void => {
    for (let i = 0; i < count; i++) deferred.add(Buffer.from("refused"), true);
  };
  refuse(500);
  await assert.rejects(deferred.record({ committer }), /the disk is full/);
  refuse(100);
  deferred.add(Buffer.from("unsealed"), false);
  isBroken = false;
  await deferred.record({ committer });
  assert.deepEqual(written.slice(0, -1), [...Array<string>(500).fill("refused"), "unsealed"]);
  assert.match(written.at(-1) as string, /"operation":"seals.unrecorded_calls","resource":"count\/100"/);
});
