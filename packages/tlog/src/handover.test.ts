import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import {
  followHandovers,
  formatHandover,
  type Handover,
  HandoversContradictory,
  openHandover,
  parseHandover,
  retiredKeys,
} from "./handover.ts";
import { formatNote } from "./note.ts";
import { COSIGNATURE_ED25519, ED25519, formatVkey, type NoteKey, noteKey } from "./note-key.ts";
import { SignatureInvalid, signNote } from "./signature.ts";
import { NoteMalformed } from "./text-form.ts";
import { leafHash } from "./tree.ts";

interface Signer {
  readonly key: NoteKey;
  readonly privateKey: KeyObject;
}

function signer(name = "bkms/0123/main"): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { key: noteKey(name, ED25519, publicKey), privateKey };
}

const [A, B, C, D] = [signer(), signer(), signer(), signer()] as const;
const ROOT = leafHash(Buffer.from("x"));

function handover(from: Signer, to: Signer, size = 5): Handover {
  return { checkpoint: { origin: from.key.name, size, root: ROOT }, oldKey: from.key, newKey: to.key };
}

function signedBy(text: string, ...signers: readonly Signer[]): string {
  return formatNote(
    text,
    signers.map(({ key, privateKey }) => signNote(text, key, privateKey)),
  );
}

function handed(from: Signer, to: Signer, size = 5): string {
  return signedBy(formatHandover(handover(from, to, size)), from, to);
}

const TEXT = formatHandover(handover(A, B));

test("a hand-over is written and read, and opens when both its keys signed it", () => {
  assert.equal(
    TEXT,
    `bunkms audit key handover v1\nbkms/0123/main\n5\n${ROOT.toString("base64")}\n${formatVkey(A.key)}\n${formatVkey(B.key)}\n`,
  );
  assert.deepEqual(parseHandover(TEXT), handover(A, B));
  assert.deepEqual(openHandover(handed(A, B)), handover(A, B));
  assert.deepEqual(openHandover(Buffer.from(handed(A, B))), handover(A, B));
});

test("a hand-over that one of its keys did not sign is refused", () => {
  for (const signers of [[A], [B], [C], [A, C], [B, C]]) {
    assert.throws(() => openHandover(signedBy(TEXT, ...signers)), SignatureInvalid);
  }
  const other = formatHandover(handover(A, B, 6));
  assert.throws(() => openHandover(signedBy(TEXT, A, B).replace(TEXT, other)), SignatureInvalid);
});

test("a hand-over whose old or new key is of another log, or makes cosignatures, is refused", () => {
  const stranger = signer("bkms/4567/main").key;
  const cosigner = noteKey(A.key.name, COSIGNATURE_ED25519, C.key.publicKey);
  for (const key of [stranger, cosigner]) {
    for (const side of ["oldKey", "newKey"] as const) {
      assert.throws(() => formatHandover({ ...handover(A, B), [side]: key }), /whose name is the log's origin/, side);
    }
  }
});

for (const [what, text] of [
  ["empty", ""],
  ["of another version", TEXT.replace("v1", "v2")],
  ["without its header", TEXT.replace(/^.*\n/, "")],
  ["without its last newline", TEXT.slice(0, -1)],
  ["without its last key", TEXT.replace(/[^\n]*\n$/, "")],
  ["with another line", `${TEXT}x\n`],
  ["with an empty line", `${TEXT}\n`],
  ["with CR LF", TEXT.replaceAll("\n", "\r\n")],
  ["of another origin than its keys", TEXT.replace("bkms/0123/main", "bkms/0123/other")],
  ["with a leading zero", TEXT.replace("\n5\n", "\n05\n")],
  ["of a size that is no safe integer", TEXT.replace("\n5\n", "\n9007199254740992\n")],
  ["with a root that is cut", TEXT.replace(ROOT.toString("base64"), "AAAA")],
  ["with a key that is cut", TEXT.replace(formatVkey(A.key), formatVkey(A.key).slice(0, -4))],
  ["from a key to itself", TEXT.replace(formatVkey(A.key), formatVkey(B.key))],
  [
    "to a key of another type",
    TEXT.replace(formatVkey(B.key), formatVkey(noteKey(B.key.name, COSIGNATURE_ED25519, B.key.publicKey))),
  ],
] as const) {
  test(`a hand-over ${what} is refused`, () => {
    assert.throws(() => parseHandover(text), NoteMalformed);
  });
}

test("what would be read as another hand-over is not written", () => {
  const { checkpoint } = handover(A, B);
  assert.throws(() => formatHandover({ ...handover(A, B), newKey: A.key }), NoteMalformed);
  assert.throws(() => formatHandover(handover(A, signer("other"))), NoteMalformed);
  assert.throws(
    () => formatHandover({ ...handover(A, B), checkpoint: { ...checkpoint, extensions: ["x"] } }),
    NoteMalformed,
  );
});

test("a trusted key leads to all that came after it, and to none before it", () => {
  const notes = [handed(C, D, 9), handed(A, B, 5), handed(B, C, 5)];
  assert.deepEqual(followHandovers(A.key, notes), [A.key, B.key, C.key, D.key]);
  assert.deepEqual(followHandovers(B.key, notes), [B.key, C.key, D.key]);
  assert.deepEqual(followHandovers(D.key, notes), [D.key]);
  assert.deepEqual(followHandovers(A.key, []), [A.key]);
  assert.deepEqual(followHandovers(A.key, [handed(A, B), handed(A, B)]), [A.key, B.key]);
});

test("a key signs no more when the one after it was handed over, too", () => {
  const notes = [handed(C, D, 9), handed(A, B, 5), handed(B, C, 7)];
  assert.deepEqual(retiredKeys(A.key, notes), [
    { key: A.key, after: 7 },
    { key: B.key, after: 9 },
  ]);
  assert.deepEqual(retiredKeys(B.key, notes), [{ key: B.key, after: 9 }]);
  assert.deepEqual(retiredKeys(C.key, notes), []);
  assert.deepEqual(retiredKeys(A.key, [handed(A, B)]), []);
});

test("hand-overs of other logs lead nowhere", () => {
  const [other, next] = [signer("bkms/0123/other"), signer("bkms/0123/other")];
  assert.deepEqual(followHandovers(A.key, [handed(other, next)]), [A.key]);
});

test("hand-overs that contradict each other are refused", () => {
  for (const notes of [
    [handed(A, B), handed(A, C)],
    [handed(A, B, 5), handed(A, B, 6)],
    [handed(A, B), handed(B, A)],
    [handed(A, B), handed(B, C), handed(C, B)],
    [handed(A, B, 5), handed(B, C, 4)],
  ]) {
    assert.throws(() => followHandovers(A.key, notes), HandoversContradictory);
  }
});

test("one hand-over that is not signed by both is refused, wherever it leads", () => {
  assert.throws(() => followHandovers(A.key, [handed(A, B), signedBy(TEXT, A)]), SignatureInvalid);
  assert.throws(() => followHandovers(D.key, [signedBy(TEXT, B)]), SignatureInvalid);
  assert.throws(() => followHandovers(A.key, ["text"]), NoteMalformed);
});
