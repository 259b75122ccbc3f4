import assert from "node:assert/strict";
import { test } from "node:test";
import { formatCheckpoint, formatNote, openCheckpoint, parseNote } from "@bunkms/tlog";
import { ownEntry } from "../audit/entry.ts";
import { saveCheckpoint, saveWitnessed } from "../pipeline/audit-checkpoints.ts";
import { StoreUnavailable } from "../store/store.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import { testVault } from "./test-vault.ts";
import { openOrCreate, type Unsealed } from "./unseal.ts";

const entry = (name: string): Buffer => ownEntry(name, "", 0);

async function grow({ committer }: Unsealed, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => committer.submit(entry(`test.${i}`))));
}

test("a vault that is opened again goes on with its log, checkpoint and tiles", async () => {
  const server = await testVault();
  await grow(server, 700);
  await server.committer.checkpoint();
  const { latest } = server.checkpoints;
  const again = await openOrCreate(server.store, server.seal());
  assert.equal(again.log.frontier.size, 702);
  assert.deepEqual(again.checkpoints.latest?.note, latest?.note);
  await grow(again, 300);
  const proof = await again.tree.proveConsistency(701, 1002);
  assert.ok(proof.length > 0);
  await openOrCreate(server.store, server.seal());
});

test("REQ-30: a log that is shorter than its last signed checkpoint does not open, whatever its generation", async () => {
  const server = await testVault();
  await grow(server, 3);
  await server.committer.checkpoint();
  await grow(server, 3);
  // As an older copy of the log beside a newer checkpoint.
  const [last] = await server.store.list("audit", { prefix: "main/", limit: 1, reverse: true });
  const note = server.checkpoints.latest?.note ?? "";
  await server.committer.checkpoint();
  await server.store.commit([
    { table: "audit", path: last?.path as string, value: null, expected: last?.revision as number },
  ]);
  await assert.rejects(openOrCreate(server.store, server.seal()), VaultRolledBack);
  await saveCheckpoint(server.vault.records, note);
  await openOrCreate(server.store, server.seal());
});

test("REQ-30: a log whose last checkpoint was removed, or put back to an older one, does not open", async () => {
  const server = await testVault();
  await grow(server, 3);
  await server.committer.checkpoint();
  const older = server.checkpoints.latest?.note ?? "";
  await grow(server, 1);
  await server.committer.checkpoint();
  const newest = server.checkpoints.latest?.note ?? "";
  await grow(server, 3);
  await saveCheckpoint(server.vault.records, older);
  await assert.rejects(openOrCreate(server.store, server.seal()), /checkpoint over 5 entries was signed/);
  const record = await server.store.get("audit-checkpoint", "main/signed");
  await server.store.commit([
    { table: "audit-checkpoint", path: "main/signed", value: null, expected: record?.revision as number },
  ]);
  await assert.rejects(openOrCreate(server.store, server.seal()), /checkpoint over 5 entries was signed/);
  await saveCheckpoint(server.vault.records, newest);
  await openOrCreate(server.store, server.seal());
});

test("a checkpoint that another key signed, or that nobody did, does not open the log", async () => {
  const server = await testVault();
  const other = await testVault();
  await other.committer.checkpoint();
  for (const note of [other.checkpoints.latest?.note ?? "", "no note"]) {
    await saveCheckpoint(server.vault.records, note);
    await assert.rejects(openOrCreate(server.store, server.seal()), /checkpoint is not signed by the log's key/);
  }
});

test("REQ-30: nor does a log whose cosigned checkpoint is of other entries, or signed by nobody", async () => {
  const server = await testVault();
  await server.committer.checkpoint();
  const { records } = server.vault;
  const note = server.checkpoints.latest?.note ?? "";
  await saveWitnessed(records, new Map(), note);
  const again = await openOrCreate(server.store, server.seal());
  assert.equal(again.checkpoints.restored?.note, note);
  assert.equal(
    again.checkpoints.published?.note,
    again.checkpoints.latest?.note,
    "without a policy nobody asks for it",
  );
  const other = await testVault();
  await other.committer.checkpoint();
  await saveWitnessed(records, new Map(), other.checkpoints.latest?.note ?? "");
  await assert.rejects(openOrCreate(server.store, server.seal()), /checkpoint is not signed by the log's key/);
  const text = formatCheckpoint({ origin: server.checkpoints.origin, size: 1, root: Buffer.alloc(32, 1) });
  await saveWitnessed(records, new Map(), formatNote(text, server.vault.logKeys.sign(text)));
  await assert.rejects(openOrCreate(server.store, server.seal()), /are not those that a checkpoint was signed over/);
});

test("all tiles may be lost", async () => {
  const server = await testVault();
  await grow(server, 1000);
  await server.committer.checkpoint();
  const tiles = await server.store.list("audit-tile", { limit: 1000 });
  assert.equal(tiles.length, 4);
  await server.store.commit(
    tiles.map(({ path, revision }) => ({ table: "audit-tile", path, value: null, expected: revision })),
  );
  const again = await openOrCreate(server.store, server.seal());
  assert.deepEqual((await again.tree.tile(0, 2, 256)).length, 256);
  assert.equal((await server.store.list("audit-tile", { limit: 1000 })).length, 4);
  const { checkpoint } = openCheckpoint(server.checkpoints.latest?.note ?? "", {
    logs: server.vault.logKeys.all.map(({ key }) => key),
  });
  assert.equal(checkpoint.size, 1001);
});

test("a damaged tile is made again, and one that the store cannot read now is not", async () => {
  const server = await testVault();
  await grow(server, 600);
  const [tile] = await server.store.list("audit-tile", { prefix: "main/00/", limit: 1 });
  assert.ok(tile);
  const before = await server.tree.tile(0, 0, 256);
  const value = Buffer.from(tile.value);
  value[value.length - 1] = (value.at(-1) as number) ^ 1;
  await server.store.commit([{ table: "audit-tile", path: tile.path, value, expected: tile.revision }]);
  const { get } = server.store;
  server.store.get = async () => {
    throw new StoreUnavailable("the disk failed");
  };
  const { commits } = server.store;
  await assert.rejects(server.tree.tile(0, 0, 256), StoreUnavailable);
  assert.equal(server.store.commits, commits);
  server.store.get = get;
  assert.deepEqual(await server.tree.tile(0, 0, 256), before);
  assert.equal(server.store.commits, commits + 1);
  assert.deepEqual(await server.tree.tile(0, 0, 256), before);
  assert.equal(server.store.commits, commits + 1, "what was made again is kept");
});

test("entries of a batch that is missing are read as missing, and never as others", { timeout: 30_000 }, async () => {
  const server = await testVault();
  for (const count of [3, 4, 5]) {
    await grow(server, count);
  }
  const whole = await server.tree.entries(0, 13);
  const batches = await server.store.list("audit", { prefix: "main/", limit: 10 });
  const ends = batches.map(({ path }) => Number.parseInt(path.slice("main/".length), 16) + 1);
  assert.deepEqual(ends, [1, 4, 8, 13]);
  for (const [missing, gap] of [
    [2, { first: 4, end: 8 }],
    [3, { first: 4, end: 13 }],
  ] as const) {
    const { path, revision } = batches[missing] as (typeof batches)[number];
    await server.store.commit([{ table: "audit", path, value: null, expected: revision }]);
    for (let first = 0; first < 13; first++) {
      for (let end = first + 1; end <= 13; end++) {
        const read = server.tree.entries(first, end);
        if (end <= gap.first || first >= gap.end) {
          assert.deepEqual(await read, whole.slice(first, end));
        } else {
          await assert.rejects(read, RangeError, `${first} to ${end}`);
        }
      }
    }
  }
});

test("keys are rotated with a hand-over each; the newest two sign, and only those are still held", async () => {
  const server = await testVault();
  for (let rotation = 1; rotation <= 3; rotation++) {
    const { frontier } = server.log;
    const plan = await server.vault.logKeys.rotate({ size: frontier.size, root: frontier.root() }, rotation);
    await server.committer.submit(entry("audit.rotate_key"), plan as never);
    plan.discard();
    await server.committer.checkpoint();
  }
  for (const { vault, checkpoints } of [server, await openOrCreate(server.store, server.seal())]) {
    const keys = vault.logKeys.all;
    assert.deepEqual(
      keys.map(({ version, isActive }) => [version, isActive]),
      [
        [1, false],
        [2, false],
        [3, true],
        [4, true],
      ],
    );
    const signed = parseNote(checkpoints.latest?.note ?? "").signatures.map(({ id }) => id.toString("hex"));
    assert.deepEqual(signed, [keys[3]?.key.id.toString("hex"), keys[2]?.key.id.toString("hex")]);
  }
});
