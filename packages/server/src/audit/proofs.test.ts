import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ED25519, Frontier, leafHash, noteKey, parseTlogProof, signNote, verifyTlogProof } from "@bunkms/tlog";
import { Checkpoints, type SignedCheckpoint } from "./checkpoints.ts";
import { AuditLog } from "./log.ts";
import { AuditProofs } from "./proofs.ts";
import { AuditTree } from "./tree.ts";

const ORIGIN = "bkms/00/main";
const { privateKey } = generateKeyPairSync("ed25519");
const KEY = noteKey(ORIGIN, ED25519, privateKey);
const ENTRIES = Array.from({ length: 10 }, (_, i) => Buffer.from(`entry ${i}`));

/** What a log of ten entries shows, of which so many are under its newest checkpoint. */
async function proofsOf(signed: number) {
  const log = new AuditLog();
  log.adopt(log.prepare(ENTRIES, 0).end);
  const store = {
    tile: async () => undefined,
    keepTile: async () => {},
    entries: async (first: number, end: number) => ENTRIES.slice(first, end),
    pruned: 0,
    archivedBundle: async () => undefined,
  };
  const checkpoints = new Checkpoints({
    origin: ORIGIN,
    sign: (text) => [signNote(text, KEY, privateKey)],
    save: async () => {},
    monotonic: () => 0,
    clock: () => 0,
  });
  const sign = (size: number) => checkpoints.sign(Frontier.EMPTY.append(ENTRIES.slice(0, size).map(leafHash)));
  await sign(signed);
  let asked = 0;
  const signNow = async (): Promise<void> => {
    asked += 1;
    await setTimeout(5);
    await sign(ENTRIES.length);
  };
  const proofs = new AuditProofs({ log, tree: new AuditTree(store, log), checkpoints, signNow });
  return {
    checkpoints,
    sign,
    asked: () => asked,
    /** The size of the checkpoint that the receipt of an entry is by. */
    receiptSize: async (index: number): Promise<number> => {
      const entry = ENTRIES[index] as Buffer;
      const proof = parseTlogProof(await proofs.receipt(index, entry));
      assert.deepEqual([proof.index, proof.extra], [index, entry]);
      return verifyTlogProof(proof, entry, { logs: [KEY] }).checkpoint.size;
    },
  };
}

test("a receipt is by the newest checkpoint; one is signed first when none covers the entry yet", async () => {
  for (const [index, size, asked] of [
    [3, 4, 0],
    [4, 10, 1],
    [9, 10, 1],
  ] as const) {
    const log = await proofsOf(4);
    assert.equal(await log.receiptSize(index), size, `entry ${index}`);
    assert.equal(log.asked(), asked, `entry ${index}`);
  }
  const unsigned = await proofsOf(0);
  assert.equal(await unsigned.receiptSize(0), 10);
});

test("a receipt is by the checkpoint that witnesses have cosigned where that one covers the entry", async () => {
  const log = await proofsOf(4);
  log.checkpoints.useWitnesses(true);
  log.checkpoints.adoptCosigned(log.checkpoints.latest as SignedCheckpoint);
  await log.sign(10);
  assert.equal(await log.receiptSize(3), 4);
  assert.equal(await log.receiptSize(4), 10);
  assert.equal(log.asked(), 0);
});
