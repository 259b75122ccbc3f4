import assert from "node:assert/strict";
import { test } from "node:test";
import { derElements, derSequence } from "./der.ts";

const read = (text: string): (readonly [number, string])[] | undefined =>
  derElements(Buffer.from(text, "hex"))?.map(({ tag, content }) => [tag, Buffer.from(content).toString("hex")]);

test("DER is read one level deep, with lengths of one to four bytes", () => {
  assert.deepEqual(read(""), []);
  assert.deepEqual(read("0500"), [[5, ""]]);
  assert.deepEqual(read("020105a0030201070c0161"), [
    [2, "05"],
    [0xa0, "020107"],
    [0x0c, "61"],
  ]);
  for (const [header, length] of [
    ["047f", 0x7f],
    ["048180", 0x80],
    ["0481ff", 0xff],
    ["04820100", 0x100],
    ["0483010000", 0x10000],
  ] as const) {
    assert.equal(read(header + "00".repeat(length))?.[0]?.[1].length, 2 * length, header);
    assert.equal(read(header + "00".repeat(length - 1)), undefined, header);
  }
});

test("bytes that are BER, cut, or followed by others are no DER", () => {
  const wrong = {
    "a header without a length": "02",
    "a length that is cut": "0482",
    "a content that is cut": "040201",
    "a length that the byte itself could say": `048105${"00".repeat(5)}`,
    "a length with a zero in front": `04820080${"00".repeat(0x80)}`,
    "a length of four bytes": "048400000001aa",
    "an indefinite length": "30800201050000",
    "an indefinite length inside": "300430800000",
    "a tag number above 30": "1f2101aa",
    "end-of-contents": "0000",
    "bytes after an element": "020105ff",
    "bytes after an element inside": "3004020105ff",
    "a string in pieces": "24030401aa",
    "a sequence that is primitive": "1003020105",
    "a set that is primitive": "1103020105",
    "nesting without end": nested(40),
  };
  for (const [name, text] of Object.entries(wrong)) assert.equal(read(text), undefined, name);
  assert.ok(read(nested(16)));
});

test("a sequence is read only where it is all there is", () => {
  assert.deepEqual(derSequence(Buffer.from("3003020105", "hex"))?.length, 1);
  for (const wrong of ["", "020105", "31020500", "30003000", "300002"]) {
    assert.equal(derSequence(Buffer.from(wrong, "hex")), undefined, wrong);
  }
});

function nested(levels: number): string {
  let der = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) der = Buffer.concat([Buffer.of(0x30, der.length), der]);
  return der.toString("hex");
}
