import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import fc from "fast-check";
import { parseStrictJson } from "./strict-json.ts";

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text));
const refused = (text: string, why: RegExp) =>
  assert.throws(
    () => parse(text),
    (error) => error instanceof BunkmsError && error.code === "invalid_request" && why.test(error.message),
    text,
  );

test("what JSON.parse gives for unambiguous JSON is given", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      assert.deepEqual(parse(text), JSON.parse(text));
    }),
  );
});

test("a name twice in one object is refused, however it is spelt", () => {
  refused('{"a":1,"a":2}', /same name twice/);
  refused('{"a":1,"\\u0061":2}', /same name twice/);
  refused('{"x":{"b":1,"c":[{"d":1,"d":1}]}}', /same name twice/);
  refused('{"__proto__":1,"__proto__":2}', /same name twice/);
  refused('{"a\\"":1,"a\\u0022":2}', /same name twice/);
});

test("names are counted, not colons and commas in texts", () => {
  assert.deepEqual(parse('{"a:b":":,{}[]\\"","":[":",{"c":{}}]}'), { "a:b": ':,{}[]"', "": [":", { c: {} }] });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.json()), fc.boolean(), (members, twice) => {
      const pairs = Object.entries(members).map(([name, json]) => `${JSON.stringify(name)}:${json}`);
      const [first = '"a":1'] = pairs;
      const text = `{${(twice ? [first, ...pairs.slice(1), first] : pairs).join()}}`;
      if (twice) {
        refused(text, /same name twice|nested/);
      } else {
        assert.deepEqual(parse(text), JSON.parse(text));
      }
    }),
  );
});

test("the same name in different objects, and as a value, is fine", () => {
  assert.deepEqual(parse('{"a":{"a":1},"b":[{"a":1},{"a":"a"}],"c":"a"}'), {
    a: { a: 1 },
    b: [{ a: 1 }, { a: "a" }],
    c: "a",
  });
  assert.deepEqual(parse('{"a":"{\\"a\\":1,\\"a\\":2}"}'), { a: '{"a":1,"a":2}' });
});

test("CVE-2025-6203: nesting and members are bounded before anything is built", () => {
  refused("[".repeat(10_000) + "]".repeat(10_000), /nested/);
  refused('{"a":'.repeat(10_000), /nested/);
  refused(`[${"1,".repeat(20_000)}1]`, /members/);
});

test("what is not JSON or not UTF-8 is refused without repeating it", () => {
  for (const text of [
    "",
    "{",
    '{"a"}',
    '{"secret-canary',
    "nul",
    "{'a':1}",
    '{"a":1,}',
    "\ufeff{}",
    '"\\x"',
    '{"\\q":1,"b":2}',
  ]) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof BunkmsError && error.code === "invalid_request" && !error.message.includes("canary"),
      text,
    );
  }
  for (const bytes of [
    [0x22, 0xc0, 0xaf, 0x22],
    [0x22, 0xe2, 0x82],
  ]) {
    assert.throws(() => parseStrictJson(Buffer.from(bytes)), BunkmsError);
    // Nothing of it is left over for the next body.
    assert.deepEqual(parse('{"a":"\u20ac"}'), { a: "\u20ac" });
  }
});
