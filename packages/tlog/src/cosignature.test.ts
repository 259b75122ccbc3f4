import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { test } from "node:test";
import { formatCheckpoint } from "./checkpoint.ts";
import { cosignCheckpoint, verifyCosignature } from "./cosignature.ts";
import { formatNote, formatSignatureLine, type NoteSignature, parseNote } from "./note.ts";
import { COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, type NoteKey, noteKey } from "./note-key.ts";
import { NoteMalformed } from "./text-form.ts";
import { leafHash } from "./tree.ts";

const CHECKPOINT = { origin: "example.com/log", size: 7, root: leafHash(Buffer.from("x")) };
const TEXT = formatCheckpoint(CHECKPOINT);

interface Cosigner {
  readonly key: NoteKey;
  readonly privateKey: KeyObject;
}

function cosigner(type: number): Cosigner {
  // Each algorithm has its own overload.
  const { publicKey, privateKey } =
    type === COSIGNATURE_ED25519 ? generateKeyPairSync("ed25519") : generateKeyPairSync("ml-dsa-44");
  return { key: noteKey("example.com/witness", type, publicKey), privateKey };
}

function signatureOf(line: string, text = TEXT): NoteSignature {
  return parseNote(formatNote(text, [line])).signatures[0] as NoteSignature;
}

for (const [name, type] of [
  ["Ed25519", COSIGNATURE_ED25519],
  ["ML-DSA-44", COSIGNATURE_ML_DSA_44],
] as const) {
  const { key, privateKey } = cosigner(type);

  test(`${name}: a cosignature verifies with its timestamp`, () => {
    for (const timestamp of [0, 1, 1_679_315_147, Number.MAX_SAFE_INTEGER]) {
      const signature = signatureOf(cosignCheckpoint(TEXT, key, privateKey, timestamp));
      assert.deepEqual(verifyCosignature(TEXT, signature, key), { timestamp });
    }
  });

  test(`${name}: it does not verify for another checkpoint, key or timestamp`, () => {
    const signature = signatureOf(cosignCheckpoint(TEXT, key, privateKey, 5));
    for (const change of [{ origin: "example.com/other" }, { size: 8 }, { root: leafHash(Buffer.from("y")) }]) {
      assert.equal(verifyCosignature(formatCheckpoint({ ...CHECKPOINT, ...change }), signature, key), undefined);
    }
    assert.equal(verifyCosignature(TEXT, signature, cosigner(type).key), undefined);
    for (const i of [7, 8, signature.signature.length - 1]) {
      const bytes = Buffer.from(signature.signature);
      bytes[i] = (bytes[i] as number) ^ 1;
      assert.equal(verifyCosignature(TEXT, { ...signature, signature: bytes }, key), undefined);
    }
  });

  test(`${name}: a signature that is cut, longer or of another type does not verify`, () => {
    const signature = signatureOf(cosignCheckpoint(TEXT, key, privateKey, 5));
    for (const bytes of [
      signature.signature.subarray(0, 1),
      signature.signature.subarray(0, 7),
      signature.signature.subarray(0, 8),
      signature.signature.subarray(0, -1),
      Buffer.concat([signature.signature, Buffer.of(0)]),
    ]) {
      assert.equal(verifyCosignature(TEXT, { ...signature, signature: bytes }, key), undefined);
    }
    const other = cosigner(type === COSIGNATURE_ED25519 ? COSIGNATURE_ML_DSA_44 : COSIGNATURE_ED25519);
    assert.equal(verifyCosignature(TEXT, signature, other.key), undefined);
  });

  test(`${name}: a note that is no checkpoint is neither cosigned nor verified`, () => {
    const signature = signatureOf(cosignCheckpoint(TEXT, key, privateKey, 5));
    assert.throws(() => cosignCheckpoint("text\n", key, privateKey, 5), NoteMalformed);
    assert.equal(verifyCosignature("text\n", signature, key), undefined);
  });
}

test("Ed25519: the message is that of the standard, with extensions", () => {
  const { key, privateKey } = cosigner(COSIGNATURE_ED25519);
  const text = `${TEXT}extension\n`;
  const time = Buffer.from("0000000064185000", "hex");
  const message = Buffer.from(`cosignature/v1\ntime 1679314944\n${text}`);
  const line = formatSignatureLine(key, Buffer.concat([time, sign(null, message, privateKey)]));
  assert.deepEqual(verifyCosignature(text, signatureOf(line, text), key), { timestamp: 1_679_314_944 });
  assert.equal(cosignCheckpoint(text, key, privateKey, 1_679_314_944), line);
  assert.equal(verifyCosignature(TEXT, signatureOf(line), key), undefined);
});

test("ML-DSA-44: the message is that of the standard, without extensions", () => {
  const { key, privateKey } = cosigner(COSIGNATURE_ML_DSA_44);
  const time = Buffer.from("0000000064185000", "hex");
  const message = Buffer.concat([
    Buffer.from("subtree/v1\n\0\u0013example.com/witness"),
    time,
    Buffer.from("\u000fexample.com/log"),
    Buffer.from("00000000000000000000000000000007", "hex"),
    CHECKPOINT.root,
  ]);
  const line = formatSignatureLine(key, Buffer.concat([time, sign(null, message, privateKey)]));
  for (const text of [TEXT, `${TEXT}extension\n`]) {
    assert.deepEqual(verifyCosignature(text, signatureOf(line, text), key), { timestamp: 1_679_314_944 });
  }
});

test("a timestamp that is no safe integer does not verify, also when it was signed", () => {
  const { key, privateKey } = cosigner(COSIGNATURE_ED25519);
  const time = Buffer.from("0020000000000000", "hex");
  const message = Buffer.from(`cosignature/v1\ntime ${2 ** 53}\n${TEXT}`);
  const line = formatSignatureLine(key, Buffer.concat([time, sign(null, message, privateKey)]));
  assert.equal(verifyCosignature(TEXT, signatureOf(line), key), undefined);
});

test("ML-DSA-44: an origin of 255 bytes is cosigned, a longer one not", () => {
  const { key, privateKey } = cosigner(COSIGNATURE_ML_DSA_44);
  const text = formatCheckpoint({ ...CHECKPOINT, origin: "a".repeat(255) });
  const line = cosignCheckpoint(text, key, privateKey, 5);
  assert.deepEqual(verifyCosignature(text, signatureOf(line, text), key), { timestamp: 5 });
  const long = formatCheckpoint({ ...CHECKPOINT, origin: "a".repeat(256) });
  assert.throws(() => cosignCheckpoint(long, key, privateKey, 5), NoteMalformed);
  assert.equal(verifyCosignature(long, signatureOf(line, long), key), undefined);
});

test("a key of a note's signature, or of another algorithm, does not cosign", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = noteKey("a", ED25519, publicKey);
  assert.throws(() => cosignCheckpoint(TEXT, key, privateKey, 5), TypeError);
  assert.throws(() => cosignCheckpoint(TEXT, cosigner(COSIGNATURE_ML_DSA_44).key, privateKey, 5), TypeError);
  assert.throws(() => cosignCheckpoint(TEXT, cosigner(COSIGNATURE_ED25519).key, privateKey, -1), RangeError);
});
