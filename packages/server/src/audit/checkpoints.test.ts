import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { ED25519, Frontier, leafHash, noteKey, openCheckpoint, signNote } from "@bunkms/tlog";
import { Checkpoints } from "./checkpoints.ts";

const ORIGIN = "bkms/00/main";
const { privateKey } = generateKeyPairSync("ed25519");
const KEY = noteKey(ORIGIN, ED25519, privateKey);

function frontier(size: number): Frontier {
  return Frontier.EMPTY.append(Array.from({ length: size }, (_, i) => leafHash(Buffer.from(String(i)))));
}

function checkpoints(save: (note: string) => Promise<void> = async () => {}) {
  const time = { now: 0 };
  const made = new Checkpoints({
    origin: ORIGIN,
    sign: (text) => [signNote(text, KEY, privateKey)],
    save,
    monotonic: () => time.now,
    clock: () => 0,
  });
  return { made, time };
}

test("a checkpoint is signed over the log's end, and verifies", async () => {
  const saved: string[] = [];
  const { made } = checkpoints(async (note) => void saved.push(note));
  await made.sign(frontier(5));
  const { checkpoint } = openCheckpoint(made.latest?.note ?? "", { logs: [KEY] });
  assert.deepEqual(checkpoint, { origin: ORIGIN, size: 5, root: frontier(5).root() });
  assert.deepEqual(saved, [made.latest?.note]);
});

test("one is due before a thousand entries are without, or a second after the last, but never of a log that did not grow", async () => {
  const { made, time } = checkpoints();
  assert.equal(made.isDue(frontier(0)), false);
  assert.equal(made.isDue(frontier(1)), true);
  await made.sign(frontier(1));
  assert.equal(made.isDue(frontier(1)), false);
  time.now = 999;
  assert.equal(made.isDue(frontier(2)), false);
  assert.equal(made.isDue(frontier(1 + 744)), true);
  time.now = 1000;
  assert.equal(made.isDue(frontier(2)), true);
  assert.equal(made.isDue(frontier(1)), false);
});

test("what was signed is not signed again, and nothing smaller ever", async () => {
  let saves = 0;
  const { made } = checkpoints(async () => void saves++);
  await made.sign(frontier(5));
  await made.sign(frontier(5));
  await made.sign(frontier(4));
  assert.equal(saves, 1);
  assert.equal(made.latest?.size, 5);
});

test("nobody sees a checkpoint that is not on disk", async () => {
  const { made } = checkpoints(async () => {
    throw new Error("disk full");
  });
  await assert.rejects(made.sign(frontier(5)), /disk full/);
  assert.equal(made.latest, undefined);
  assert.equal(made.isDue(frontier(5)), true);
});
