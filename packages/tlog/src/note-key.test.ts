import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import {
  COSIGNATURE_ED25519,
  COSIGNATURE_ML_DSA_44,
  ED25519,
  formatVkey,
  isKeyName,
  isSameKey,
  noteKey,
  parseVkey,
  publicKeyObject,
} from "./note-key.ts";
import { NoteMalformed } from "./text-form.ts";

// The example of C2SP signed-note.
const VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

test("the verifier key of the standard's example is read and written", () => {
  const key = parseVkey(VKEY);
  assert.equal(key.name, "example.com/foo");
  assert.equal(key.id.toString("hex"), "530d903a");
  assert.equal(key.type, ED25519);
  assert.equal(key.publicKey.length, 32);
  assert.equal(formatVkey(key), VKEY);
});

test("keys of all types go into verifier keys and node:crypto, and back", () => {
  const ed25519 = generateKeyPairSync("ed25519");
  const mlDsa = generateKeyPairSync("ml-dsa-44");
  for (const [type, pair] of [
    [ED25519, ed25519],
    [COSIGNATURE_ED25519, ed25519],
    [COSIGNATURE_ML_DSA_44, mlDsa],
  ] as const) {
    const key = noteKey("a.example/ü", type, pair.privateKey);
    assert.deepEqual(noteKey("a.example/ü", type, pair.publicKey), key);
    assert.deepEqual(noteKey("a.example/ü", type, key.publicKey), key);
    assert.deepEqual(parseVkey(formatVkey(key)), key);
    assert.equal(publicKeyObject(key).equals(pair.publicKey), true);
  }
});

test("one public key has another id for each name and type", () => {
  const { publicKey } = generateKeyPairSync("ed25519");
  const key = noteKey("a", ED25519, publicKey);
  for (const other of [noteKey("b", ED25519, publicKey), noteKey("a", COSIGNATURE_ED25519, publicKey)]) {
    assert.notDeepEqual(other.id, key.id);
    assert.equal(isSameKey(key, other), false);
  }
  assert.equal(isSameKey(key, noteKey("a", ED25519, publicKey)), true);
});

for (const [what, vkey] of [
  ["empty", ""],
  ["without a name", VKEY.replace("example.com/foo", "")],
  ["with a space in its name", VKEY.replace("foo", "f o")],
  ["with a Unicode space in its name", VKEY.replace("foo", "f\u3000o")],
  ["with a newline in its name", VKEY.replace("foo", "f\no")],
  ["with a control character in its name", VKEY.replace("foo", "f\u0001o")],
  ["with half a surrogate pair in its name", VKEY.replace("foo", "f\ud800o")],
  ["of another name than its id", VKEY.replace("foo", "bar")],
  ["with another id", VKEY.replace("530d903a", "530d903b")],
  ["with an id in capitals", VKEY.replace("530d903a", "530D903A")],
  ["with a short id", VKEY.replace("530d903a", "530d903")],
  ["without its id", VKEY.replace("530d903a+", "")],
  ["without its key", VKEY.slice(0, VKEY.lastIndexOf("+") + 1)],
  ["cut short", VKEY.slice(0, -4)],
  ["with more key", `${VKEY}AAAA`],
  ["with a newline behind it", `${VKEY}\n`],
  ["in base64url", VKEY.replace("AekyeRrm", "Aeky-Rrm")],
  ["of a type that is not known", VKEY.replace("Aeky", "Beky")],
  ["longer than any", `${"a".repeat(2048)}${VKEY}`],
  ["with a name that is too long", `${"a".repeat(256)}${VKEY}`],
] as const) {
  test(`a verifier key ${what} is refused`, () => {
    assert.throws(() => parseVkey(vkey), NoteMalformed);
  });
}

test("a public key of another length or algorithm than its type is refused", () => {
  const mlDsa44 = generateKeyPairSync("ml-dsa-44").publicKey;
  const mlDsa65 = generateKeyPairSync("ml-dsa-65").publicKey;
  const ed25519 = generateKeyPairSync("ed25519").publicKey;
  assert.throws(() => noteKey("a", ED25519, mlDsa44), NoteMalformed);
  assert.throws(() => noteKey("a", COSIGNATURE_ML_DSA_44, ed25519), NoteMalformed);
  assert.throws(() => noteKey("a", COSIGNATURE_ML_DSA_44, mlDsa65), NoteMalformed);
  assert.throws(() => noteKey("a", ED25519, generateKeyPairSync("x25519").publicKey), NoteMalformed);
  assert.throws(() => noteKey("a", ED25519, Buffer.alloc(31)), NoteMalformed);
  assert.throws(() => noteKey("a", 0x02, Buffer.alloc(32)), NoteMalformed);
});

test("a name that no key may have is refused for itself, not only for an id that does not fit it", () => {
  const bytes = Buffer.alloc(32, 1);
  for (const name of ["", " ", "a b", "a\u3000b", "a\u00a0b", "a\nb", "a\u0001b", "a\u001fb", "a+b", "a\ud800b"]) {
    assert.equal(isKeyName(name), false, JSON.stringify(name));
    assert.throws(() => noteKey(name, ED25519, bytes), NoteMalformed, JSON.stringify(name));
  }
  for (const name of ["a", "a.example/b", "\u{1f511}", "z\u00fcrich"]) {
    assert.equal(isKeyName(name), true, name);
    assert.deepEqual(parseVkey(formatVkey(noteKey(name, ED25519, bytes))).name, name);
  }
  // 255 bytes at most, however many characters.
  assert.equal(noteKey("a".repeat(255), ED25519, bytes).name.length, 255);
  assert.throws(() => noteKey("a".repeat(256), ED25519, bytes), NoteMalformed);
  assert.throws(() => noteKey("\u00fc".repeat(128), ED25519, bytes), NoteMalformed);
});
