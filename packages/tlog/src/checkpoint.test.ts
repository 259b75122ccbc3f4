import assert from "node:assert/strict";
import { test } from "node:test";
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { NoteMalformed } from "./text-form.ts";
import { EMPTY_ROOT } from "./tree.ts";

// The example of C2SP tlog-checkpoint.
const TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const CHECKPOINT: Checkpoint = {
  origin: "example.com/behind-the-sofa",
  size: 20_852_163,
  root: Buffer.from("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62", "hex"),
};

for (const [what, text, checkpoint] of [
  ["of the standard's example", TEXT, CHECKPOINT],
  [
    "of an empty tree",
    `a\n0\n${EMPTY_ROOT.toString("base64")}\n`,
    { origin: "a", size: 0, root: Buffer.from(EMPTY_ROOT) },
  ],
  [
    "of the largest size",
    TEXT.replace("20852163", "9007199254740991"),
    { ...CHECKPOINT, size: Number.MAX_SAFE_INTEGER },
  ],
  ["with extensions", `${TEXT}one\n two\n`, { ...CHECKPOINT, extensions: ["one", " two"] }],
  [
    "of an origin with spaces and plus",
    TEXT.replace("sofa", "s+f a"),
    { ...CHECKPOINT, origin: "example.com/behind-the-s+f a" },
  ],
] as const) {
  test(`the checkpoint ${what} is read and written`, () => {
    assert.deepEqual(parseCheckpoint(text), checkpoint);
    assert.equal(formatCheckpoint(checkpoint), text);
  });
}

for (const [what, text] of [
  ["empty", ""],
  ["of newlines", "\n\n\n"],
  ["without an origin", TEXT.replace("example.com/behind-the-sofa", "")],
  ["without a size", TEXT.replace("20852163", "")],
  ["of two lines", "a\n0\n"],
  ["with an empty extension", `${TEXT}\n`],
  ["with an empty extension before another", `${TEXT}\nx\n`],
  ["without its last newline", TEXT.slice(0, -1)],
  ["with an extension without its newline", `${TEXT}x`],
  ["with CR LF", TEXT.replaceAll("\n", "\r\n")],
  ["with a NUL", TEXT.replace("sofa", "s\0fa")],
  ["with a leading zero", TEXT.replace("20852163", "020852163")],
  ["with a sign", TEXT.replace("20852163", "+20852163")],
  ["of a negative size", TEXT.replace("20852163", "-1")],
  ["with a size in hexadecimal", TEXT.replace("20852163", "0x10")],
  ["with a size with an exponent", TEXT.replace("20852163", "1e3")],
  ["with a fraction", TEXT.replace("20852163", "1.0")],
  ["with spaces around its size", TEXT.replace("20852163", " 20852163")],
  ["with digits of another script", TEXT.replace("20852163", "٢")],
  ["of a size that is no safe integer", TEXT.replace("20852163", "9007199254740992")],
  ["of a size of 64 bits", TEXT.replace("20852163", "18446744073709551615")],
  ["with a short root", TEXT.replace("CsUYapGG", "CsUY")],
  ["with a long root", TEXT.replace("CsUYapGG", "CsUYapGGAAAA")],
  ["with a root whose unused bits are set", TEXT.replace("q2I=", "q2J=")],
  ["with a root in hexadecimal", `a\n1\n${CHECKPOINT.root.toString("hex")}\n`],
  ["of an empty tree with another root", TEXT.replace("20852163", "0")],
  ["longer than a note's text", `${TEXT}${"x".repeat(16 * 1024)}\n`],
] as const) {
  test(`a checkpoint ${what} is refused`, () => {
    assert.throws(() => parseCheckpoint(text), NoteMalformed);
  });
}

for (const change of [
  { origin: "" },
  { origin: "a\nb" },
  { origin: "a\r" },
  { origin: "\ud800" },
  { origin: "a".repeat(16 * 1024) },
  { size: -1 },
  { size: 1.5 },
  { size: Number.NaN },
  { size: 2 ** 53 },
  { size: 0 },
  { root: Buffer.alloc(31) },
  { extensions: [""] },
  { extensions: ["a\n\nb"] },
]) {
  test(`a checkpoint with ${JSON.stringify(change).slice(0, 40)} is not written`, () => {
    assert.throws(() => formatCheckpoint({ ...CHECKPOINT, ...change }), NoteMalformed);
  });
}
