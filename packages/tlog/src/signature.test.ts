import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { formatCheckpoint } from "./checkpoint.ts";
import { cosignCheckpoint } from "./cosignature.ts";
import { formatNote, parseNote } from "./note.ts";
import { COSIGNATURE_ED25519, ED25519, type NoteKey, noteKey, parseVkey } from "./note-key.ts";
import { SignatureInvalid, signNote, verifyNote, verifySignatures } from "./signature.ts";
import { NoteMalformed } from "./text-form.ts";
import { leafHash } from "./tree.ts";

// The example of C2SP signed-note.
const EXAMPLE_KEY = parseVkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
const EXAMPLE =
  "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

const PAIR = generateKeyPairSync("ed25519");
const KEY = noteKey("a.example", ED25519, PAIR.publicKey);
const STRANGER = generateKeyPairSync("ed25519");
const TEXT = "text\n";

function changed(note: string): string {
  const { text, signatures } = parseNote(note);
  const [{ name, id, signature }] = signatures as [(typeof signatures)[number]];
  signature[0] = (signature[0] as number) ^ 1;
  return `${text}\n— ${name} ${Buffer.concat([id, signature]).toString("base64")}\n`;
}

test("the standard's example verifies, and with any change it does not", () => {
  assert.deepEqual(verifyNote(parseNote(EXAMPLE), [EXAMPLE_KEY]), [EXAMPLE_KEY]);
  assert.throws(() => verifyNote(parseNote(EXAMPLE.replace("This", "That")), [EXAMPLE_KEY]), SignatureInvalid);
  assert.throws(() => verifyNote(parseNote(changed(EXAMPLE)), [EXAMPLE_KEY]), SignatureInvalid);
});

test("a note that was signed verifies with that key alone", () => {
  const note = parseNote(formatNote(TEXT, [signNote(TEXT, KEY, PAIR.privateKey)]));
  assert.deepEqual(verifyNote(note, [EXAMPLE_KEY, KEY]), [KEY]);
  for (const keys of [
    [],
    [EXAMPLE_KEY],
    [noteKey("a.example", ED25519, STRANGER.publicKey)],
    [noteKey("b.example", ED25519, PAIR.publicKey)],
    [noteKey("a.example", COSIGNATURE_ED25519, PAIR.publicKey)],
  ]) {
    assert.throws(() => verifyNote(note, keys), SignatureInvalid);
  }
});

test("a signature by a known key under another name is nobody's", () => {
  const line = signNote(TEXT, KEY, PAIR.privateKey);
  const other = line.replace("a.example", "b.example");
  assert.throws(() => verifyNote(parseNote(formatNote(TEXT, [other])), [KEY]), /no signature of a known key/);
  assert.deepEqual(verifyNote(parseNote(formatNote(TEXT, [other, line])), [KEY]), [KEY]);
});

test("signatures by others are left alone, and those of known keys must all verify", () => {
  const other = noteKey("b.example", ED25519, STRANGER.publicKey);
  const mine = signNote(TEXT, KEY, PAIR.privateKey);
  const theirs = signNote(TEXT, other, STRANGER.privateKey);
  // Theirs is over another text.
  const wrong = signNote("other\n", other, STRANGER.privateKey);
  assert.deepEqual(verifyNote(parseNote(formatNote(TEXT, [theirs, mine, mine])), [KEY, other]), [other, KEY]);
  assert.deepEqual(verifyNote(parseNote(formatNote(TEXT, [wrong, mine])), [KEY]), [KEY]);
  assert.throws(() => verifyNote(parseNote(formatNote(TEXT, [wrong, mine])), [KEY, other]), SignatureInvalid);
  assert.throws(() => verifyNote(parseNote(formatNote(TEXT, [theirs, wrong])), [other]), SignatureInvalid);
});

test("a key that shares name and id with another one does not sign in its place", () => {
  const forged: NoteKey = { ...KEY, publicKey: noteKey("x", ED25519, STRANGER.publicKey).publicKey };
  const note = parseNote(formatNote(TEXT, [signNote(TEXT, forged, STRANGER.privateKey)]));
  assert.throws(() => verifyNote(note, [KEY]), SignatureInvalid);
  assert.throws(() => verifyNote(note, [forged, KEY]), SignatureInvalid);
});

test("a signature of a wrong length does not verify", () => {
  for (const length of [1, 63, 65, 2420]) {
    const line = `— a.example ${Buffer.concat([KEY.id, Buffer.alloc(length)]).toString("base64")}\n`;
    assert.throws(() => verifyNote(parseNote(formatNote(TEXT, [line])), [KEY]), SignatureInvalid);
  }
});

test("of several cosignatures by one key the latest counts", () => {
  const witness = noteKey("w.example", COSIGNATURE_ED25519, STRANGER.publicKey);
  const text = formatCheckpoint({ origin: "a.example", size: 1, root: leafHash(Buffer.from("x")) });
  const lines = [5, 9, 7].map((time) => cosignCheckpoint(text, witness, STRANGER.privateKey, time));
  const note = parseNote(formatNote(text, [signNote(text, KEY, PAIR.privateKey), ...lines]));
  assert.deepEqual(verifySignatures(note, [KEY, witness]), [{ key: KEY }, { key: witness, timestamp: 9 }]);
});

test("what is no text, and a key of another type, are not signed", () => {
  for (const text of ["", "no newline", "a\rb\n", "\ud800\n", `${"a".repeat(16 * 1024)}\n`]) {
    assert.throws(() => signNote(text, KEY, PAIR.privateKey), NoteMalformed);
  }
  assert.throws(() => signNote(TEXT, KEY, generateKeyPairSync("ml-dsa-44").privateKey), TypeError);
  assert.throws(() => signNote(TEXT, noteKey("a", COSIGNATURE_ED25519, PAIR.publicKey), PAIR.privateKey), TypeError);
});
