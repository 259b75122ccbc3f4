import assert from "node:assert/strict";
import { test } from "node:test";
import { COSIGNATURE_ED25519, noteKey } from "@bunkms/tlog";
import { testVault } from "../boot/test-vault.ts";
import { openOrCreate } from "../boot/unseal.ts";
import { loadCheckpoint, loadWitness, saveWitnessed } from "./audit-checkpoints.ts";

test("how far witnesses are is kept over openings, by their keys, with a cosigned checkpoint and without, and is no mutation", async () => {
  const { vault, store, seal, log, committer, checkpoints } = await testVault();
  await committer.checkpoint();
  const note = checkpoints.latest?.note ?? "";
  const [one, other, third] = [1, 2, 3].map((fill) =>
    noteKey("w.example", COSIGNATURE_ED25519, Buffer.alloc(32, fill)),
  );
  assert.ok(one && other && third);
  const before = [vault.records.generation, log.frontier.size];
  const far = { size: 2 ** 40, cosignedAt: 1_795_000_000_001 };
  await saveWitnessed(vault.records, new Map([[one, far]]), undefined);
  assert.equal(await loadCheckpoint(vault.records, "cosigned"), undefined);
  await saveWitnessed(vault.records, new Map([[other, { size: 0, cosignedAt: 0 }]]), note);
  assert.deepEqual([vault.records.generation, log.frontier.size], before);
  const { records } = (await openOrCreate(store, seal())).vault;
  assert.deepEqual(await loadWitness(records, one), far);
  assert.deepEqual(await loadWitness(records, other), { size: 0, cosignedAt: 0 });
  assert.equal(await loadWitness(records, third), undefined);
  assert.equal(await loadCheckpoint(records, "cosigned"), note);
});
