import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { jsonFormat } from "./json.ts";
import { LINES } from "./lines.ts";
import { BEGIN, type CiphertextFormat, type Part, type Place } from "./parts.ts";

async function* inPieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

async function partsOf(format: CiphertextFormat, text: string, length = text.length + 1, from: Place = BEGIN) {
  return await Array.fromAsync(format.read(inPieces(Buffer.from(text).subarray(from.offset), length), from));
}

/** The file with each ciphertext replaced by another. */
function written(format: CiphertextFormat, parts: readonly Part[], replace = (text: string) => `${text}!`): string {
  const pieces = parts.map((part) =>
    part.kind === "copy" ? part.bytes : Buffer.from(format.write(replace(part.ciphertext))),
  );
  return Buffer.concat(pieces).toString();
}

/** Checks the file in pieces of all sizes, and reading on from the place after each ciphertext. */
async function check(format: CiphertextFormat, text: string, expected: string): Promise<void> {
  const whole = await partsOf(format, text);
  assert.equal(written(format, whole), expected);
  assert.equal(Buffer.concat(whole.map(({ bytes }) => bytes)).toString(), text);
  for (const length of [1, 2, 3, 7, 64]) {
    assert.equal(written(format, await partsOf(format, text, length)), expected);
  }
  for (const [index, part] of whole.entries()) {
    if (part.kind === "item") {
      const begin = written(format, whole.slice(0, index + 1));
      const place = JSON.parse(JSON.stringify(part.after)) as Place;
      assert.equal(begin + written(format, await partsOf(format, text, 5, place)), expected);
    }
  }
}

describe("a file of lines", () => {
  test("keeps empty lines, blanks and line ends, and need not end with one", async () => {
    await check(LINES, "", "");
    await check(LINES, "\n", "\n");
    await check(LINES, "a\nb", "a!\nb!");
    await check(LINES, " a\t\r\n\r\n\n  \nb c\n\n", " a!\t\r\n\r\n\n  \nb c!\n\n");
  });

  test("knows the line of each ciphertext", async () => {
    const lines = (await partsOf(LINES, "a\n\nb\nc", 2)).flatMap((part) =>
      part.kind === "item" ? [part.after.line] : [],
    );
    assert.deepEqual(lines, [1, 3, 4]);
  });

  test("with a line longer than any ciphertext is refused before the line is held", async () => {
    await assert.rejects(partsOf(LINES, `a\n${"b".repeat(3_000_000)}`, 65_536), /line 2 is longer/);
    await assert.rejects(partsOf(LINES, `${"b".repeat(800_000)}\n`), /line 1 is longer/);
  });
});

describe("JSON", () => {
  for (const [path, text, expected] of [
    [".", '"a"', '"a!"'],
    [".", '"a"\n"b"\n', '"a!"\n"b!"\n'],
    ["[]", ' [ "a" , null,"b"]', ' [ "a!" , null,"b!"]'],
    [".a", '{"a":"x","b":"y"}\n{"b":"y","a":"x"}', '{"a":"x!","b":"y"}\n{"b":"y","a":"x!"}'],
    [".a.b", '{"a":{"a":"x","b":"y"},"b":"z"}', '{"a":{"a":"x","b":"y!"},"b":"z"}'],
    [
      ".a[].b",
      '{"a":[{"b":"x"},{"c":"y"},{"b":null},7,[{"b":"z"}]]}',
      '{"a":[{"b":"x!"},{"c":"y"},{"b":null},7,[{"b":"z"}]]}',
    ],
    [".a[][]", '{"a":[["x","y"],[],{"k":"z"}],"c":[["w"]]}', '{"a":[["x!","y!"],[],{"k":"z"}],"c":[["w"]]}'],
    [".a", '[{"a":"x"}]', '[{"a":"x"}]'],
    [
      '."a b"',
      '{"\\u0061 b":"x\\/y","a":1.50e+3,"c":[true,false,-0.1]}',
      '{"\\u0061 b":"x/y!","a":1.50e+3,"c":[true,false,-0.1]}',
    ],
    [".b", '{"a":"\\"b\\":\\"","b":"x"}', '{"a":"\\"b\\":\\"","b":"x!"}'],
    [".b", '{"é\\\\":{"b":"ü"},"b":"x","b":"y"}', '{"é\\\\":{"b":"ü"},"b":"x!","b":"y!"}'],
  ] as const) {
    test(`${text} has its ciphertexts at ${path} replaced, and nothing else`, async () => {
      await check(jsonFormat(path), text, expected);
    });
  }

  test("of any form is given back byte for byte but for the ciphertexts", async () => {
    const leaf = fc.oneof(
      fc.string(),
      fc.constant(null),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const value = fc.record({ a: fc.array(fc.record({ b: fc.string(), c: fc.jsonValue() })), d: leaf });
    await fc.assert(
      fc.asyncProperty(
        fc.array(value),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        async (values, length, isWide) => {
          const text = values.map((one) => JSON.stringify(one, null, isWide ? 2 : 0)).join("\n");
          const expected = values.map((one) =>
            JSON.stringify({ ...one, a: one.a.map(({ b, c }) => ({ b: `${b}!`, c })) }, null, isWide ? 2 : 0),
          );
          const format = jsonFormat(".a[].b");
          assert.equal(written(format, await partsOf(format, text, length)), expected.join("\n"));
        },
      ),
      { numRuns: 200 },
    );
  });

  for (const text of [
    "{",
    "[1,]",
    '{"a":1,}',
    '{"a" 1}',
    "{a:1}",
    '"a',
    '"a\n"',
    '"\\',
    "nul",
    "01",
    "1.",
    "+1",
    "[1 2]",
    '{"a":1]',
    "[1}",
    "]",
    ",",
    '{"a":}',
    '{"a"}',
    "\ufeff1",
    "'a'",
    "[1]]",
  ]) {
    test(`${JSON.stringify(text)} is refused`, async () => {
      assert.throws(() => JSON.parse(text));
      await assert.rejects(
        partsOf(jsonFormat(".x"), text, 1),
        /line 1: this is not JSON|in the middle of a JSON text|line 2/,
      );
    });
  }

  test("with something else than a string at the path is refused with its line", async () => {
    for (const value of ["1", "true", "{}", "[]"]) {
      await assert.rejects(
        partsOf(jsonFormat(".a"), `{"a":"x"}\n{"a":${value}}`),
        /line 2: what stands at the path is no string/,
      );
    }
    await assert.rejects(partsOf(jsonFormat("."), "7"), /is no string/);
  });

  test("of great depth or with a string too long for a ciphertext is refused, and other strings have any length", async () => {
    await assert.rejects(partsOf(jsonFormat(".a"), "[".repeat(100_000)), /nested deeper than 1000/);
    await assert.rejects(
      partsOf(jsonFormat(".a"), `{"a":"${"x".repeat(800_000)}"}`, 4096),
      /line 1: a JSON value is longer/,
    );
    await check(jsonFormat(".a"), `{"b":"${"x".repeat(2_000)}","a":"y"}`, `{"b":"${"x".repeat(2_000)}","a":"y!"}`);
  });
});
