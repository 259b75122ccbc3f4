import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { LogKeyRecordSchema } from "@bunkms/contract/record";
import { followHandovers, openHandover, parseNote, retiredKeys } from "@bunkms/tlog";
import { watchWipes } from "../../../../test/harness/watched-wipes.ts";
import { openMemoryStore } from "../store/memory.ts";
import { loadKeyring, newKeyring } from "./keyring.ts";
import { firstLogKey, type LogKey, LogKeys, type TreeHead } from "./log-keys.ts";
import type { Plan } from "./plan.ts";
import { type OpenedRecord, Records } from "./records.ts";

const CLUSTER = Buffer.alloc(16, 1);

/** The keys of a new log, in a store. */
async function newLog() {
  const { held, change } = firstLogKey(CLUSTER, 1);
  const records = new Records(openMemoryStore(), CLUSTER, loadKeyring(newKeyring()));
  await records.commit([change], { path: "0", payload: Buffer.alloc(0) });
  const keys = new LogKeys(records, CLUSTER, [held]);
  // As the server has them: read from the store.
  await keys.load();
  const apply = async (plan: Plan<unknown>): Promise<void> => {
    plan.committed(await records.commit(plan.changes, { path: String(records.generation), payload: Buffer.alloc(0) }));
    plan.discard();
  };
  return { records, keys, apply };
}

const head = (size: number): TreeHead => ({ size, root: Buffer.alloc(32, size) });

/** Whether a buffer holds nothing any more. */
const isWiped = (bytes: Uint8Array | null): boolean => bytes?.every((byte) => byte === 0) ?? false;

test("each hand-over is signed by the key before and the new one, tells the tree, and leads from the first key to the newest", async () => {
  const { records, keys, apply } = await newLog();
  for (const size of [3, 5, 9]) {
    await apply(await keys.rotate(head(size), size));
  }
  const again = new LogKeys(records, CLUSTER);
  await again.load();
  for (const { all } of [keys, again]) {
    const [first, ...later] = all as [LogKey, ...LogKey[]];
    assert.equal(first.handover, "");
    for (const [i, { key, handover }] of later.entries()) {
      const { checkpoint, oldKey, newKey } = openHandover(handover);
      assert.deepEqual([oldKey, newKey], [all[i]?.key, key]);
      assert.deepEqual(checkpoint, { origin: keys.origin, ...head([3, 5, 9][i] as number) });
    }
    const notes = later.map(({ handover }) => handover);
    assert.deepEqual(
      followHandovers(first.key, notes),
      all.map(({ key }) => key),
    );
    assert.deepEqual(
      retiredKeys(first.key, notes).map(({ after }) => after),
      [5, 9],
    );
    assert.deepEqual(
      all.map(({ isActive }) => isActive),
      [false, false, true, true],
    );
  }
  assert.deepEqual(
    parseNote(`text\n\n${again.sign("text\n").join("")}`).signatures.map(({ id }) => id),
    [again.all[3]?.key.id, again.all[2]?.key.id],
  );
});

test("a rotation writes the new key, and takes the seed of just the one that signs no more", async () => {
  const { records, keys, apply } = await newLog();
  const written: (readonly string[])[] = [];
  for (const size of [3, 5, 9]) {
    const plan = await keys.rotate(head(size), size);
    written.push(plan.changes.map(({ path }) => path));
    await apply(plan);
  }
  assert.deepEqual(written, [["0000000002"], ["0000000003", "0000000001"], ["0000000004", "0000000002"]]);
  const seeds: number[] = [];
  await records.each("audit-key", ({ payload }) => {
    seeds.push(fromBinary(LogKeyRecordSchema, payload).seed.length);
  });
  assert.deepEqual(seeds, [0, 0, 32, 32]);
});

test("every copy of a seed is zeroed: of the key that is made, that is written, that is read and that is retired", async (context) => {
  const { records, keys, apply } = await newLog();
  const seen = watchWipes(context);
  const plan = await keys.rotate(head(3), 1);
  const [{ payload: written = null } = {}] = plan.changes;
  const { seed } = fromBinary(LogKeyRecordSchema, Buffer.from(written as Uint8Array));
  assert.ok(seen.includes(Buffer.from(seed).toString("hex")), "of the record that was made");
  await apply(plan);
  assert.ok(isWiped(written), "of what was written");
  const read: OpenedRecord[] = [];
  await keys.load((_, record) => read.push(record));
  assert.deepEqual(
    read.map(({ payload }) => isWiped(payload)),
    [true, true],
  );
  const retired: OpenedRecord[] = [];
  const real = records.read;
  context.mock.method(records, "read", async (...asked: Parameters<typeof real>) => {
    const record = await real.apply(records, asked);
    retired.push(record as OpenedRecord);
    return record;
  });
  const next = await keys.rotate(head(5), 1);
  assert.deepEqual(
    retired.map(({ payload }) => isWiped(payload)),
    [true],
  );
  next.discard();
  assert.ok(
    next.changes.every(({ payload }) => isWiped(payload)),
    "of a plan that was given up",
  );
});
