import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { formatCheckpoint } from "./checkpoint.ts";
import { cosignCheckpoint } from "./cosignature.ts";
import { formatNote } from "./note.ts";
import { COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, formatVkey, type NoteKey, noteKey } from "./note-key.ts";
import { parsePolicy } from "./policy.ts";
import { proveInclusion } from "./proof.ts";
import { signNote } from "./signature.ts";
import { subtreeRoot } from "./tile.ts";
import { Frontier, leafHash } from "./tree.ts";
import { CheckpointRefused, openCheckpoint, type RefusalReason, type Trust, verifyTlogProof } from "./verify.ts";

interface Signer {
  readonly key: NoteKey;
  readonly privateKey: KeyObject;
}

function signer(name: string, type: number): Signer {
  const { publicKey, privateKey } =
    type === COSIGNATURE_ML_DSA_44 ? generateKeyPairSync("ml-dsa-44") : generateKeyPairSync("ed25519");
  return { key: noteKey(name, type, publicKey), privateKey };
}

const ORIGIN = "bkms/0123/main";
const LOG = signer(ORIGIN, ED25519);
const NEXT = signer(ORIGIN, ED25519);
const W1 = signer("w1.example", COSIGNATURE_ED25519);
const W2 = signer("w2.example", COSIGNATURE_ML_DSA_44);
const POLICY = parsePolicy(
  Buffer.from(
    `witness one ${formatVkey(W1.key)}\nwitness two ${formatVkey(W2.key)}\ngroup both all one two\nquorum both\n`,
  ),
);
const ENTRIES = Array.from({ length: 7 }, (_, i) => Buffer.from(`entry ${i}`));
const LEAVES = ENTRIES.map(leafHash);
const CHECKPOINT = { origin: ORIGIN, size: 7, root: Frontier.EMPTY.append(LEAVES).root() };
const TEXT = formatCheckpoint(CHECKPOINT);

const signed = ({ key, privateKey }: Signer, text = TEXT): string => signNote(text, key, privateKey);
const cosigned = ({ key, privateKey }: Signer, time: number, text = TEXT): string =>
  cosignCheckpoint(text, key, privateKey, time);

function refused(note: string | Buffer, trust: Trust, reason: RefusalReason): void {
  assert.throws(
    () => openCheckpoint(note, trust),
    (error) => error instanceof CheckpointRefused && error.reason === reason && error.message !== "",
  );
}

test("a checkpoint opens with its log's key and its quorum", () => {
  const note = formatNote(TEXT, [signed(LOG), cosigned(W1, 10), cosigned(W2, 0)]);
  assert.deepEqual(openCheckpoint(note, { logs: [LOG.key] }), { checkpoint: CHECKPOINT, log: LOG.key, witnesses: [] });
  assert.deepEqual(openCheckpoint(Buffer.from(note), { logs: [NEXT.key, LOG.key], policy: POLICY }), {
    checkpoint: CHECKPOINT,
    log: LOG.key,
    witnesses: [
      { name: "one", timestamp: 10 },
      { name: "two", timestamp: 0 },
    ],
  });
});

test("a log of the policy is trusted, also one that is named twice", () => {
  const policy = parsePolicy(Buffer.from(`log ${formatVkey(LOG.key)}\nquorum none\n`));
  const note = formatNote(TEXT, [signed(LOG)]);
  assert.deepEqual(openCheckpoint(note, { logs: [], policy }).log, LOG.key);
  assert.deepEqual(openCheckpoint(note, { logs: [LOG.key], policy }).log, LOG.key);
});

test("a log's cosignature key signs for the log", () => {
  const log = signer(ORIGIN, COSIGNATURE_ML_DSA_44);
  assert.deepEqual(openCheckpoint(formatNote(TEXT, [cosigned(log, 1)]), { logs: [log.key] }).log, log.key);
});

test("a checkpoint that is malformed is refused as such", () => {
  refused("", { logs: [LOG.key] }, "malformed");
  refused(Buffer.of(0xff), { logs: [LOG.key] }, "malformed");
  refused(formatNote("text\n", [signed(LOG, "text\n")]), { logs: [LOG.key] }, "malformed");
});

test("a checkpoint of another log is refused, whoever signed it", () => {
  const text = TEXT.replace(ORIGIN, "other/log");
  refused(formatNote(text, [signed(LOG, text)]), { logs: [LOG.key] }, "unknown_origin");
  refused(formatNote(TEXT, [signed(LOG)]), { logs: [] }, "unknown_origin");
  // The key of one trusted log does not sign for another one.
  const other = signer("other/log", ED25519);
  refused(formatNote(TEXT, [signed(other)]), { logs: [LOG.key, other.key] }, "wrong_signature");
});

test("a checkpoint that its log did not sign is refused", () => {
  const trust = { logs: [LOG.key], policy: POLICY };
  refused(formatNote(TEXT, [signed(NEXT)]), trust, "wrong_signature");
  refused(formatNote(TEXT, [cosigned(W1, 1), cosigned(W2, 1)]), trust, "wrong_signature");
  refused(formatNote(TEXT.replace("\n7\n", "\n8\n"), [signed(LOG)]), trust, "wrong_signature");
});

test("a checkpoint without its quorum is refused", () => {
  const trust = { logs: [LOG.key], policy: POLICY };
  const stranger = signer("w2.example", COSIGNATURE_ML_DSA_44);
  for (const lines of [[], [cosigned(W1, 1)], [cosigned(W2, 1)], [cosigned(W1, 1), cosigned(stranger, 1)]]) {
    refused(formatNote(TEXT, [signed(LOG), ...lines]), trust, "quorum_missing");
  }
});

test("a wrong cosignature of a known witness is refused, even where it is not needed", () => {
  const text = TEXT.replace("\n7\n", "\n8\n");
  const any = parsePolicy(Buffer.from(`witness one ${formatVkey(W1.key)}\nquorum none\n`));
  const note = formatNote(TEXT, [signed(LOG), cosigned(W1, 1, text)]);
  refused(note, { logs: [LOG.key], policy: any }, "wrong_signature");
  assert.equal(openCheckpoint(note, { logs: [LOG.key] }).log, LOG.key);
});

test("a proof shows its entry, and no other one", async () => {
  const checkpoint = formatNote(TEXT, [signed(LOG)]);
  const trust = { logs: [LOG.key] };
  const path = await proveInclusion(4, 7, async (level, index) =>
    subtreeRoot(LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level)),
  );
  const proof = { index: 4, path, checkpoint };
  const entry = ENTRIES[4] as Buffer;
  assert.deepEqual(verifyTlogProof(proof, entry, trust).checkpoint, CHECKPOINT);
  const reasonOf = (change: object, other = entry, others: Trust = trust): unknown => {
    try {
      return verifyTlogProof({ ...proof, ...change }, other, others).log;
    } catch (error) {
      return (error as CheckpointRefused).reason;
    }
  };
  assert.equal(reasonOf({}, ENTRIES[5]), "not_included");
  assert.equal(reasonOf({ index: 5 }), "not_included");
  assert.equal(reasonOf({ index: 7 }), "not_included");
  assert.equal(reasonOf({ path: path.slice(1) }), "not_included");
  assert.equal(reasonOf({ path: [...path, path[0]] }), "not_included");
  assert.equal(reasonOf({ checkpoint: "" }), "malformed");
  assert.equal(reasonOf({}, entry, { logs: [NEXT.key] }), "wrong_signature");
  assert.equal(reasonOf({}, entry, { ...trust, policy: POLICY }), "quorum_missing");
});

test("a key that signs no more vouches for no larger tree than there was then, and does not spoil one that others signed", () => {
  const trust = (after: number): Trust => ({ logs: [LOG.key, NEXT.key], retired: [{ key: LOG.key, after }] });
  const note = formatNote(TEXT, [signed(LOG)]);
  refused(note, trust(6), "wrong_signature");
  assert.equal(openCheckpoint(note, trust(7)).log, LOG.key);
  assert.equal(openCheckpoint(formatNote(TEXT, [signed(LOG), signed(NEXT)]), trust(6)).log, NEXT.key);
});

test("what a key that signs no more is said to have signed on a larger tree does not spoil it, right or wrong", () => {
  const wrong = signed(LOG, TEXT.replace("7", "8"));
  const note = formatNote(TEXT, [wrong, signed(NEXT)]);
  const trust = (after: number): Trust => ({ logs: [LOG.key, NEXT.key], retired: [{ key: LOG.key, after }] });
  assert.equal(openCheckpoint(note, trust(6)).log, NEXT.key);
  refused(note, trust(7), "wrong_signature");
});

test("of two witnesses whose keys have one name, each counts for itself alone", () => {
  const [one, other] = [signer("w.example", COSIGNATURE_ED25519), signer("w.example", COSIGNATURE_ED25519)];
  const policy = parsePolicy(
    Buffer.from(
      `witness one ${formatVkey(one.key)}\nwitness two ${formatVkey(other.key)}\ngroup both all one two\nquorum both\n`,
    ),
  );
  for (const witness of [one, other]) {
    refused(formatNote(TEXT, [signed(LOG), cosigned(witness, 10)]), { logs: [LOG.key], policy }, "quorum_missing");
  }
  const note = formatNote(TEXT, [signed(LOG), cosigned(one, 10), cosigned(other, 11)]);
  assert.deepEqual(openCheckpoint(note, { logs: [LOG.key], policy }).witnesses, [
    { name: "one", timestamp: 10 },
    { name: "two", timestamp: 11 },
  ]);
});
