import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { fieldSchema, type JsonSchema, requestSchema } from "./json-schema.ts";
import { readOperations } from "./operations.ts";

const SEED = Number(process.env["BUNKMS_TEST_SEED"] ?? 20_261_125);
const RUNS = process.env["BUNKMS_SOAK"] === "1" ? 20_000 : 500;
const inputs = new Map(readOperations().map(({ method }) => [method.input.typeName, method.input]));
const validator = createValidator();

/** The keywords that our schemas use, written anew here as a second opinion on what they mean. */
function accepts(schema: JsonSchema, value: JsonValue | undefined): boolean {
  const list = (keyword: string): readonly JsonSchema[] => (schema[keyword] as readonly JsonSchema[] | undefined) ?? [];
  const within = (size: number, min: string, max: string): boolean =>
    size >= Number(schema[min] ?? 0) && size <= Number(schema[max] ?? Number.POSITIVE_INFINITY);
  if (schema["enum"] !== undefined && !(schema["enum"] as readonly unknown[]).includes(value)) {
    return false;
  }
  if (typeof value === "string") {
    const fits = within([...value].length, "minLength", "maxLength");
    return fits && (schema["pattern"] === undefined || new RegExp(schema["pattern"] as string, "u").test(value));
  }
  if (typeof value === "number") {
    return within(value, "minimum", "maximum");
  }
  if (typeof value === "boolean") {
    return true;
  }
  if (Array.isArray(value)) {
    const items = schema["items"] as JsonSchema;
    return within(value.length, "minItems", "maxItems") && value.every((item) => accepts(items, item));
  }
  if (typeof schema["$ref"] === "string") {
    return accepts(referenced(schema["$ref"]), value);
  }
  const object = value as JsonObject;
  const names = Object.keys(object);
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, JsonSchema>>;
  const others = schema["additionalProperties"] as JsonSchema | false | undefined;
  return (
    within(names.length, "minProperties", "maxProperties") &&
    ((schema["required"] ?? []) as readonly string[]).every((name) => names.includes(name)) &&
    names.every((name) => accepts((schema["propertyNames"] ?? {}) as JsonSchema, name)) &&
    names.every((name) => {
      const inner = Object.hasOwn(properties, name) ? properties[name] : others;
      return inner === undefined || (inner !== false && accepts(inner, object[name]));
    }) &&
    list("allOf").every((part) => accepts(part, value)) &&
    (schema["oneOf"] === undefined || list("oneOf").filter((part) => accepts(part, value)).length === 1) &&
    (schema["anyOf"] === undefined || list("anyOf").some((part) => accepts(part, value))) &&
    (schema["not"] === undefined || !accepts(schema["not"] as JsonSchema, value))
  );
}

/** The schema of a message in a request's list. */
function referenced(reference: string): JsonSchema {
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  const message = [...inputs.values()]
    .flatMap(({ fields }) => fields)
    .find((field) => field.message?.name === name)?.message;
  return requestSchema(message ?? assert.fail(reference), new Set(), () => "");
}

/** What the server's own validator says. */
function isValid(input: DescMessage, json: JsonObject): boolean {
  try {
    return validator.validate(input, fromJson(input, json)).kind === "valid";
  } catch {
    // Two fields of one oneof.
    return false;
  }
}

const TEXTS = ["", "a", "A-b_c.9", "-a", "a/b", "a b", "a\n", "admin", "root", "0".repeat(32), "é", "x".repeat(65)];
const LONG_TEXTS = [256, 257, 1024, 1025, 2048, 2049].map((length) => "x".repeat(length));
const COUNTS = [0, 1, 15, 16, 32, 64, 1000, 1001, 7_776_000, 7_776_001, 0xffffffff];
// Base64 tells lengths in steps of three bytes, so one or two bytes more than allowed may still fit the schema.
const SIZES = [0, 1, 2, 3, 64, 67, 1024, 1027];

/** Objects of the message's form, with any of its fields. */
function edgeObjects(message: DescMessage): fc.Arbitrary<JsonObject> {
  const fields = Object.fromEntries(message.fields.map((field) => [field.name, edgeValues(field)]));
  return fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<JsonObject>;
}

/** Values of the field's JSON type, many of them at the edges of the contract's rules. */
function edgeValues(field: DescField): fc.Arbitrary<JsonValue> {
  if (field.fieldKind === "map") {
    const word = fc.constantFrom("", "k", "__proto__", "constructor", "x".repeat(256), "x".repeat(257));
    return fc
      .array(fc.tuple(word, fc.constantFrom("", "v", "x".repeat(4097))), { maxLength: 3 })
      .map(Object.fromEntries);
  }
  if (field.fieldKind === "list") {
    const item: fc.Arbitrary<JsonValue> =
      field.listKind === "message" ? edgeObjects(field.message) : fc.constantFrom("", "a", "x".repeat(129));
    return fc.oneof(
      fc.array(item, { maxLength: 3 }),
      fc.tuple(item, fc.constantFrom(32, 33, 1000, 1001)).map(([one, count]) => new Array(count).fill(one)),
    );
  }
  if (field.fieldKind === "message") {
    return fc.constant("2026-01-02T03:04:05.678Z");
  }
  switch (field.scalar) {
    case ScalarType.BYTES:
      return fc.constantFrom(...SIZES).map((size) => Buffer.alloc(size, 7).toString("base64"));
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.constantFrom(...COUNTS);
    default: {
      const schema = fieldSchema(field, () => "");
      const edges = fc.constantFrom(...TEXTS, ...LONG_TEXTS, ...((schema["enum"] ?? []) as readonly string[]));
      const pattern = new RegExp((schema["pattern"] ?? "") as string, "u");
      // Of fields with a form of their own, no text above may be one.
      return TEXTS.some((text) => text !== "" && pattern.test(text))
        ? edges
        : fc.oneof(edges, fc.stringMatching(pattern));
    }
  }
}

for (const input of inputs.values()) {
  test(`the schema of ${input.name} accepts exactly what the contract's validator accepts (seed ${SEED})`, () => {
    const schema = requestSchema(input, new Set(), () => "");
    let valid = 0;
    fc.assert(
      fc.property(edgeObjects(input), (json) => {
        const expected = isValid(input, json);
        valid += expected ? 1 : 0;
        assert.equal(accepts(schema, json), expected);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    assert.ok(valid > 0, "no request was valid, so the test shows nothing");
  });
}

test("a request schema refuses a field that the contract does not know", () => {
  for (const input of inputs.values()) {
    assert.equal(requestSchema(input, new Set(), () => "")["additionalProperties"], false);
  }
});
