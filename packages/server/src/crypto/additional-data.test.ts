import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { type AdditionalData, encodeAdditionalData } from "./additional-data.ts";

const context = (entries: Record<string, string> | Map<string, string>): AdditionalData => ({
  kind: "context",
  entries,
});
const encoded = (input: AdditionalData): string => encodeAdditionalData(input).toString("hex");

test("nothing, no bytes and an empty context are alike: zero bytes", () => {
  assert.equal(encoded({ kind: "none" }), "");
  assert.equal(encoded({ kind: "raw", bytes: Buffer.alloc(0) }), "");
  assert.equal(encoded(context({})), "");
  assert.equal(encoded(context(new Map())), "");
});

test("bytes follow a 1", () => {
  assert.equal(encoded({ kind: "raw", bytes: Buffer.from("ab") }), "016162");
});

test("a context is its pairs, sorted, with lengths before them", () => {
  const expected = "020002" + "0001" + "61" + "0002" + "7878" + "0001" + "62" + "0000";
  assert.equal(encoded(context({ b: "", a: "xx" })), expected);
  assert.equal(
    encoded(
      context(
        new Map([
          ["b", ""],
          ["a", "xx"],
        ]),
      ),
    ),
    expected,
  );
});

test("pairs are sorted by UTF-8 bytes, not by UTF-16 units", () => {
  // U+10000 is d800 dc00 in UTF-16, before U+FF61; in UTF-8 it is f0 90 80 80, after ef bd a1.
  const keys = encoded(context({ "\u{10000}": "", "\uff61": "" }));
  assert.equal(keys, "020002" + "0003efbda1" + "0000" + "0004f0908080" + "0000");
});

test("bytes that look like a context's encoding are still bytes", () => {
  const bytes = encodeAdditionalData(context({ a: "b" }));
  assert.notEqual(encoded({ kind: "raw", bytes }), encoded(context({ a: "b" })));
});

test("no two contexts share an encoding by moving bytes between keys and values", () => {
  const contexts = [{ a: "bc" }, { ab: "c" }, { abc: "" }, { "": "abc" }, { a: "b", c: "" }, { a: "", b: "c" }];
  assert.equal(new Set(contexts.map((entries) => encoded(context(entries)))).size, contexts.length);
});

test("REQ-38: prototype names are keys like any other", () => {
  const entries = JSON.parse('{"__proto__":"1","constructor":"2","toString":"3"}') as Record<string, string>;
  const map = new Map(Object.entries({ constructor: "2", toString: "3" }).concat([["__proto__", "1"]]));
  assert.equal(encoded(context(entries)), encoded(context(map)));
  assert.equal(encodeAdditionalData(context(entries)).readUInt16BE(1), 3);
});

for (const [what, entries] of [
  ["a lone surrogate in a key", { "\ud800": "x" }],
  ["a lone surrogate in a value", { x: "a\udfff" }],
  ["a key of 65,536 bytes", { ["k".repeat(65_536)]: "" }],
  ["a value of 65,536 bytes", { k: "é".repeat(32_768) }],
  ["65,536 pairs", Object.fromEntries(Array.from({ length: 65_536 }, (_, i) => [String(i), ""]))],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => encodeAdditionalData(context(entries)),
      (error) => error instanceof BunkmsError && error.code === "invalid_request",
    );
  });
}

test("texts and counts just below the limits are encoded whole", () => {
  assert.equal(encodeAdditionalData(context({ ["k".repeat(65_535)]: "v".repeat(65_535) })).length, 3 + 4 + 2 * 65_535);
});
