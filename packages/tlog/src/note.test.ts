import assert from "node:assert/strict";
import { test } from "node:test";
import { formatNote, MAX_NOTE_BYTES, MAX_SIGNATURES, MAX_TEXT_BYTES, parseNote } from "./note.ts";
import { NoteMalformed } from "./text-form.ts";

// The first example of C2SP signed-note, whose text has an empty line.
const TEXT = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
const BASE64 = "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=";
const LINE = `— quasimodo.example/salvatore ${BASE64}\n`;
const NOTE = `${TEXT}\n${LINE}`;

test("a note is taken apart at its last empty line, and put together again", () => {
  const { text, signatures } = parseNote(Buffer.from(NOTE));
  assert.equal(text, TEXT);
  assert.equal(signatures.length, 1);
  assert.equal(signatures[0]?.name, "quasimodo.example/salvatore");
  assert.equal(signatures[0]?.id.toString("hex"), "367ba04b");
  assert.equal(signatures[0]?.signature.length, 64);
  assert.equal(signatures[0]?.line, LINE);
  assert.deepEqual(parseNote(NOTE), { text, signatures });
  assert.equal(formatNote(TEXT, [LINE]), NOTE);
});

test("a note of the most text and signatures is read, of one more byte or line not", () => {
  const text = `${"a".repeat(MAX_TEXT_BYTES - 1)}\n`;
  const lines = Array.from({ length: MAX_SIGNATURES }, () => LINE);
  assert.equal(parseNote(formatNote(text, lines)).signatures.length, MAX_SIGNATURES);
  assert.throws(() => formatNote(`a${text}`, lines), NoteMalformed);
  assert.throws(() => formatNote(text, [...lines, LINE]), NoteMalformed);
  const long = `— a ${Buffer.alloc(MAX_NOTE_BYTES).toString("base64")}\n`;
  assert.throws(() => parseNote(`text\n\n${long}`), NoteMalformed);
});

test("a note with each of its bytes changed is refused or read as another one", () => {
  const bytes = Buffer.from(NOTE);
  for (let i = 0; i < bytes.length; i++) {
    for (const value of [0x00, 0x0d, 0x20, 0x0a, 0xff, (bytes[i] as number) ^ 1]) {
      if (value === bytes[i]) {
        continue;
      }
      const changed = Buffer.from(bytes);
      changed[i] = value;
      try {
        const { text, signatures } = parseNote(changed);
        // Whatever is read at all has one byte form only.
        assert.equal(
          formatNote(
            text,
            signatures.map(({ line }) => line),
          ),
          changed.toString(),
        );
      } catch (error) {
        assert.ok(error instanceof NoteMalformed);
      }
    }
    assert.throws(() => parseNote(bytes.subarray(0, i)), NoteMalformed, `cut at ${i}`);
  }
});

for (const [what, note] of [
  ["empty", ""],
  ["without signatures", TEXT],
  ["without signatures after its empty line", `${TEXT}\n`],
  ["with nothing but a signature", `\n${LINE}`],
  ["with an empty line behind", `${NOTE}\n`],
  ["without its last newline", NOTE.slice(0, -1)],
  ["with CR LF", NOTE.replaceAll("\n", "\r\n")],
  ["with a NUL", NOTE.replace("solo", "s\0lo")],
  ["with a tab", NOTE.replace("solo", "s\tlo")],
  ["with half a surrogate pair", NOTE.replace("solo", "s\ud800lo")],
  ["with a hyphen for its dash", NOTE.replace("—", "-")],
  ["with an en dash for its dash", NOTE.replace("—", "–")],
  ["with two spaces", NOTE.replace("— ", "—  ")],
  ["with a space behind", NOTE.replace(BASE64, `${BASE64} `)],
  ["without a key's name", NOTE.replace("quasimodo.example/salvatore ", "")],
  ["with an empty key's name", NOTE.replace("quasimodo.example/salvatore", "")],
  ["with a plus in a key's name", NOTE.replace("quasimodo", "quasi+modo")],
  ["with a Unicode space in a key's name", NOTE.replace("quasimodo", "quasi\u00a0modo")],
  ["without a signature's bytes", NOTE.replace(BASE64, "")],
  ["with a signature of an id alone", NOTE.replace(BASE64, "NnugSw==")],
  ["with base64 without padding", NOTE.replace("tIc=", "tIc")],
  ["with base64 of another padding", NOTE.replace("tIc=", "tIc==")],
  ["with base64 whose unused bits are set", NOTE.replace("tIc=", "tId=")],
  ["with base64url", NOTE.replace("/5QQ", "_5QQ")],
  ["with text between its signatures", `${NOTE}text\n${LINE}`],
] as const) {
  test(`a note ${what} is refused`, () => {
    assert.throws(() => parseNote(note), NoteMalformed);
  });
}

test("a note that is not valid UTF-8 is refused", () => {
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80]]) {
    assert.throws(() => parseNote(Buffer.concat([Buffer.from(bytes), Buffer.from(NOTE)])), NoteMalformed);
  }
});

test("a byte order mark stays a part of the text", () => {
  assert.equal(parseNote(Buffer.from(`\ufeff${NOTE}`)).text, `\ufeff${TEXT}`);
});

test("text and lines that would be read as others are not written", () => {
  for (const [text, lines] of [
    ["no newline", [LINE]],
    ["", [LINE]],
    [TEXT, []],
    [TEXT, [LINE + LINE]],
    [TEXT, [LINE.slice(0, -1)]],
    [TEXT, [`\n${LINE}`]],
    [TEXT, ["text\n\n", LINE]],
  ] as const) {
    assert.throws(() => formatNote(text, lines), NoteMalformed);
  }
});

test("a text is bounded in bytes, not in characters, and has no control character up to U+001F", () => {
  const wide = "\u00e9".repeat(MAX_TEXT_BYTES / 2 - 1);
  assert.equal(parseNote(`${wide}\n\n${LINE}`).text, `${wide}\n`);
  assert.throws(() => parseNote(`${wide}\u00e9\n\n${LINE}`), NoteMalformed);
  assert.throws(() => formatNote(`${wide}\u00e9\n`, [LINE]), NoteMalformed);
  for (let code = 0; code < 0x20; code++) {
    if (code !== 0x0a) {
      assert.throws(() => parseNote(`a${String.fromCharCode(code)}\n\n${LINE}`), NoteMalformed, `${code}`);
    }
  }
});
