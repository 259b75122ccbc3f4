import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescField, type DescMessage, getOption, type Message, ScalarType } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { EncryptBatchRequestSchema, readOperations } from "@bunkms/contract";
import fc from "fast-check";
import { isCertainlyValid } from "./certain-rules.ts";

const SEED = Number(process.env["BUNKMS_TEST_SEED"] ?? 20_261_129);
const RUNS = process.env["BUNKMS_SOAK"] === "1" ? 20_000 : 100;
// As it comes, with its own engine for patterns.
const validator = createValidator();

/** Lengths at the edges of the contract's rules. */
const LENGTHS = [
  0, 1, 2, 15, 16, 17, 32, 33, 64, 65, 128, 129, 255, 256, 257, 1024, 1025, 2048, 2049, 4096, 4097, 32_769,
];
const WORDS = ["", "a", "A-b_c.9", "@alias", "-a", "a/b", "a\n", "\u0000", "admin", "raw", "rsa-3072", "\ud800"];
const COUNTS = [0, 1, 2, 255, 256, 1000, 1001, 7_776_000, 7_776_001, 0xffffffff];
const text = fc.oneof(
  fc.constantFrom(...WORDS),
  // One, two, three and four bytes of UTF-8; the last is two units of a text, and one character.
  fc.tuple(fc.constantFrom("x", "é", "€", "𝄞"), fc.constantFrom(...LENGTHS)).map(([one, count]) => one.repeat(count)),
);

function messages(schema: DescMessage): fc.Arbitrary<Message> {
  const members = schema.members.map((member) => {
    if (member.kind === "field") {
      return [member.localName, member.fieldKind === "message" ? fc.constant(undefined) : values(member)] as const;
    }
    const cases = member.fields.map((field) => values(field).map((value) => ({ case: field.localName, value })));
    return [member.localName, fc.oneof(fc.constant({ case: undefined }), ...cases)] as const;
  });
  return fc
    .record(Object.fromEntries(members) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] })
    .map((fields) => create(schema, fields as never));
}

function values(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === "map") {
    const entries = fc.array(fc.tuple(text, text), { maxLength: 3 }).map(Object.fromEntries);
    const many = fc
      .constantFrom(64, 65)
      .map((count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, ""])));
    return fc.oneof(entries, many);
  }
  if (field.fieldKind === "list") {
    const item: fc.Arbitrary<unknown> = field.listKind === "message" ? messages(field.message) : text;
    const many = fc
      .tuple(item, fc.constantFrom(32, 33, 255, 256, 1000, 1001))
      .map(([one, count]) => new Array(count).fill(one));
    return fc.oneof(fc.array(item, { maxLength: 3 }), many);
  }
  switch (field.scalar) {
    case ScalarType.BYTES:
      return fc.constantFrom(...LENGTHS).map((length) => new Uint8Array(length));
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.constantFrom(...COUNTS);
    case ScalarType.UINT64:
      return fc.constantFrom(...COUNTS.map(BigInt));
    default:
      return fittingText(field);
  }
}

/** Every second one as the field's form asks, so that the other fields' rules matter. */
function fittingText(field: DescField): fc.Arbitrary<string> {
  const { type } = getOption(field, fieldRules);
  if (type.case !== "string") {
    return text;
  }
  const { pattern, in: allowed } = type.value;
  if (allowed.length > 0) {
    return fc.oneof(text, fc.constantFrom(...allowed));
  }
  return pattern === "" ? text : fc.oneof(text, fc.stringMatching(new RegExp(pattern, "u")));
}

for (const { method } of readOperations()) {
  test(`what certainly keeps the rules of ${method.input.name} is valid (seed ${SEED})`, () => {
    const seen = { valid: 0, certain: 0 };
    fc.assert(
      fc.property(messages(method.input), (message) => {
        const isValid = validator.validate(method.input, message as never).kind === "valid";
        const isCertain = isCertainlyValid(method.input, message);
        seen.valid += isValid ? 1 : 0;
        seen.certain += isCertain ? 1 : 0;
        assert.ok(isValid || !isCertain);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    assert.ok(seen.valid > 0, "no request was valid, so the test shows nothing");
    assert.ok(seen.certain > 0, "no valid request was known as such, so the check is of no use");
  });
}

test("of a batch, one item that breaks a rule is enough", () => {
  const good = { data: { case: "plaintext", value: "𝄞".repeat(131_072) }, context: { "a key": "a value" } } as const;
  const batch = (item: object) =>
    create(EncryptBatchRequestSchema, { keyName: "k", items: [...new Array(999).fill(good), item] });
  assert.equal(isCertainlyValid(EncryptBatchRequestSchema, batch(good)), true);
  for (const bad of [
    {},
    { data: { case: "plaintext", value: `${good.data.value}x` } },
    { data: { case: "plaintextB64", value: new Uint8Array(524_289) } },
    { ...good, binding: { case: "aad", value: "x".repeat(32_769) } },
    { ...good, context: { "": "a value" } },
    { ...good, context: { ["k".repeat(257)]: "a value" } },
    { ...good, context: { "a key": "v".repeat(4097) } },
    { ...good, context: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`${i}`, ""])) },
  ]) {
    assert.equal(isCertainlyValid(EncryptBatchRequestSchema, batch(bad)), false);
  }
});

test("a field that is missing although its kind always has a value is not certainly valid", () => {
  const request = create(EncryptBatchRequestSchema, {
    keyName: "k",
    items: [{ data: { case: "plaintext", value: "" } }],
  });
  assert.equal(isCertainlyValid(EncryptBatchRequestSchema, request), true);
  for (const field of ["keyName", "items"] as const) {
    assert.equal(
      isCertainlyValid(EncryptBatchRequestSchema, { ...request, [field]: undefined } as Message),
      false,
      field,
    );
  }
});
