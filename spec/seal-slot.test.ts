import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { envSeal } from "../packages/server/src/seal/env.ts";
import { SealFailure } from "../packages/server/src/seal/seal.ts";
import { openMemoryStore } from "../packages/server/src/store/memory.ts";
import { openRoot, readSlots } from "../packages/server/src/vault/root.ts";
import { type SealSlotVector, sealSlotVectors } from "./vectors/seal-slot-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/seal-slot.json", import.meta.url), "utf8")) as {
  readonly vectors: readonly SealSlotVector[];
};

async function open({ master_key, path, value }: SealSlotVector) {
  const store = openMemoryStore();
  await store.commit([{ table: "meta", path, value: Buffer.from(value, "hex"), expected: 0 }]);
  return openRoot(await readSlots(store), envSeal(Buffer.from(master_key, "hex")), new AbortController().signal);
}

test("seal-slot.json is what its generator makes", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify({ vectors: sealSlotVectors() })));
});

for (const vector of FILE.vectors) {
  test(`REQ-14: seal slot: ${vector.name}`, async () => {
    switch (vector.outcome) {
      case "opens": {
        const { root } = await open(vector);
        assert.equal(root.cluster.toString("hex"), vector.cluster);
        assert.equal(root.key.toString("hex"), vector.root_key);
        break;
      }
      case "does_not_open":
        await assert.rejects(open(vector), SealFailure);
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}
