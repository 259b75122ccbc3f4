import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  ED25519,
  EMPTY_ROOT,
  formatCheckpoint,
  formatNote,
  formatVkey,
  parseNote,
  parseVkey,
  proveConsistency,
  signNote,
  verifySignatures,
} from "@bunkms/tlog";
import { makeSigner, type Signer, sampleLeaves, sampleLog, signedCheckpoint } from "./sample-log.ts";
import { type RunningWitness, startWitness } from "./witness-program.ts";

const ORIGIN = "bkms/00112233445566778899aabbccddeeff/main";
const LEAVES = sampleLeaves(40);

let folder = "";
const running: RunningWitness[] = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-test-"));
});
after(async () => {
  await Promise.all(running.map((witness) => witness.stop()));
  await rm(folder, { recursive: true });
});

async function start(
  state: string,
  logs: readonly Signer[],
  keyType: "ed25519" | "ml-dsa-44",
): Promise<RunningWitness> {
  const vkeys = logs.map(({ key }) => formatVkey(key));
  const witness = await startWitness({ state: join(folder, state), logs: vkeys, keyType });
  running.push(witness);
  return witness;
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

async function ask(url: string, body?: string): Promise<Answer> {
  const response = await fetch(url, body === undefined ? {} : { method: "POST", body });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

function add({ url }: RunningWitness, old: number | string, proof: readonly Buffer[], note: string): Promise<Answer> {
  const lines = proof.map((hash) => `${hash.toString("base64")}\n`).join("");
  return ask(`${url}/add-checkpoint`, `old ${old}\n${lines}\n${note}`);
}

function noteOf(size: number, signer: Signer): string {
  return signedCheckpoint(sampleLog(ORIGIN, LEAVES.slice(0, size)).checkpoint, signer, []);
}

function proofOf(from: number, to: number): Promise<Buffer[]> {
  return proveConsistency(from, to, sampleLog(ORIGIN, LEAVES.slice(0, to)).read);
}

function verify(note: string, answer: Answer, witness: RunningWitness): void {
  const key = parseVkey(witness.vkey);
  assert.equal(answer.status, 200);
  const [{ timestamp = 0 } = {}, ...others] = verifySignatures(parseNote(note + answer.text), [key]);
  assert.ok(Math.abs(Date.now() / 1000 - timestamp) < 600);
  assert.deepEqual(others, []);
}

for (const keyType of ["ed25519", "ml-dsa-44"] as const) {
  test(`${keyType}: the witness cosigns what grows, and goes on where it was after a crash`, async () => {
    const log = makeSigner(ORIGIN, ED25519);
    const first = await start(`grows-${keyType}`, [log], keyType);
    let old = 0;
    for (const size of [0, 1, 7, 7, 8]) {
      const note = noteOf(size, log);
      verify(note, await add(first, old, await proofOf(old, size), note), first);
      old = size;
    }
    await first.stop();
    const second = await start(`grows-${keyType}`, [log], keyType);
    assert.equal(second.vkey, first.vkey);
    const note = noteOf(40, log);
    assert.deepEqual(await add(second, 7, await proofOf(7, 40), note), {
      status: 409,
      type: "text/x.tlog.size",
      text: "8\n",
    });
    verify(note, await add(second, 8, await proofOf(8, 40), note), second);
  });
}

test("the witness shows the latest checkpoint that it cosigned", async () => {
  const [log, stranger] = [makeSigner(ORIGIN, ED25519), makeSigner(ORIGIN, ED25519)];
  const witness = await start("shows", [log], "ed25519");
  const url = `${witness.url}/${createHash("sha256").update(ORIGIN).digest("hex")}/checkpoint`;
  assert.equal((await ask(url)).status, 404);
  const note = noteOf(5, log);
  const { text } = parseNote(note);
  const extra = formatNote(text, [signNote(text, stranger.key, stranger.privateKey), note.slice(text.length + 1)]);
  const answer = await add(witness, 0, [], extra);
  verify(extra, answer, witness);
  // Only what verified is kept.
  assert.equal((await ask(url)).text, note + answer.text);
  assert.equal((await ask(url.replace(/[0-9a-f]{64}/, "0".repeat(64)))).status, 404);
});

test("a log with two keys is known by either of them", async () => {
  const [log, next] = [makeSigner(ORIGIN, ED25519), makeSigner(ORIGIN, ED25519)];
  const witness = await start("two-keys", [log, next], "ed25519");
  verify(noteOf(1, log), await add(witness, 0, [], noteOf(1, log)), witness);
  verify(noteOf(2, next), await add(witness, 1, await proofOf(1, 2), noteOf(2, next)), witness);
});

test("what is malformed, unknown, not signed, conflicting or inconsistent is refused with its status", async () => {
  const [log, stranger] = [makeSigner(ORIGIN, ED25519), makeSigner(ORIGIN, ED25519)];
  const witness = await start("refuses", [log], "ed25519");
  const note = noteOf(7, log);
  verify(note, await add(witness, 0, [], note), witness);
  const next = noteOf(9, log);
  const proof = await proofOf(7, 9);
  const hash = LEAVES[0] as Buffer;
  const other = formatCheckpoint({ origin: ORIGIN, size: 7, root: hash });
  const otherNote = formatNote(other, [signNote(other, log.key, log.privateKey)]);
  const wrong = next.replace("\n9\n", "\n10\n");
  const strangers = makeSigner("bkms/other", ED25519);
  const theirs = signedCheckpoint({ origin: "bkms/other", size: 0, root: EMPTY_ROOT }, strangers, []);
  for (const [status, old, hashes, signed] of [
    [400, "x", proof, next],
    [400, "07", proof, next],
    [400, -1, proof, next],
    [400, "9223372036854775808", proof, next],
    [400, 7, [Buffer.alloc(5)], next],
    [400, 7, Array.from({ length: 64 }, () => hash), next],
    [400, 7, proof, next.slice(0, -1)],
    [400, 10, [], next],
    [404, 0, [], theirs],
    [403, 7, proof, noteOf(9, stranger)],
    [403, 7, proof, wrong],
    [409, 0, [], next],
    [409, 8, await proofOf(8, 9), next],
    [422, 7, [], next],
    [422, 7, proof.slice(1), next],
    [422, 7, [...proof, hash], next],
    [422, 7, proof.with(0, hash), next],
    [422, 7, [], otherNote],
    [422, 7, [hash], note],
  ] as const) {
    assert.equal((await add(witness, old, hashes, signed)).status, status, `old ${old}, ${hashes.length} hashes`);
  }
  assert.equal((await ask(`${witness.url}/add-checkpoint`, "")).status, 400);
  assert.equal((await ask(`${witness.url}/add-checkpoint`)).status, 405);
  // None of it changed what the witness remembers.
  verify(next, await add(witness, 7, proof, next), witness);
});

test("an empty tree with another root, and a proof from the empty tree, are refused", async () => {
  const log = makeSigner(ORIGIN, ED25519);
  const witness = await start("empty", [log], "ed25519");
  const text = formatCheckpoint({ origin: ORIGIN, size: 0, root: EMPTY_ROOT });
  const other = text.replace(EMPTY_ROOT.toString("base64"), (LEAVES[0] as Buffer).toString("base64"));
  const note = formatNote(other, [signNote(other, log.key, log.privateKey)]);
  assert.equal((await add(witness, 0, [], note)).status, 422);
  assert.equal((await add(witness, 0, [LEAVES[0] as Buffer], noteOf(1, log))).status, 422);
  verify(noteOf(1, log), await add(witness, 0, [], noteOf(1, log)), witness);
});

test("of checkpoints that are submitted at once, the witness cosigns one after the other only", async () => {
  const log = makeSigner(ORIGIN, ED25519);
  const witness = await start("at-once", [log], "ml-dsa-44");
  const answers = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((size) => add(witness, 0, [], noteOf(size, log))));
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, ...Array.from({ length: 7 }, () => 409)],
  );
});
