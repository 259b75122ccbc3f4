import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DescField,
  type DescMessage,
  equals,
  fromBinary,
  fromJson,
  getOption,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { BunkmsError, type OperationSpec, readOperations } from "@bunkms/contract";
import fc from "fast-check";
import { decodeRequest } from "./grpc-messages.ts";
import { requestFromHttp } from "./rest-request.ts";
import { parseStrictJson } from "./strict-json.ts";

const SPECS = readOperations();
const spec = (action: string): OperationSpec => SPECS.find((known) => known.action === action) as OperationSpec;
const BATCH = spec("keys.encrypt_batch");
const ENCRYPT = spec("keys.encrypt");

const SCALARS: Partial<Record<ScalarType, JsonValue>> = {
  [ScalarType.STRING]: "a",
  [ScalarType.BYTES]: "AA==",
  [ScalarType.BOOL]: true,
  [ScalarType.UINT32]: 1,
};

/** A request with each field, of each oneof the last, and in lists and maps as much as their rules allow. */
function fullest(message: DescMessage): JsonObject {
  const others = message.oneofs.flatMap(({ fields }) => fields.slice(0, -1));
  const fields = message.fields.filter((field) => !others.includes(field));
  return Object.fromEntries(fields.map((field) => [field.name, fullValue(field)]));
}

function fullValue(field: DescField): JsonValue {
  const { type } = field.fieldKind === "list" || field.fieldKind === "map" ? getOption(field, fieldRules) : {};
  if (type?.case === "map") {
    return pairs(Number(type.value.maxPairs));
  }
  if (type?.case === "repeated") {
    return Array.from({ length: Number(type.value.maxItems) }, () => (field.message ? fullest(field.message) : "a"));
  }
  return field.message === undefined ? (SCALARS[field.scalar as ScalarType] as JsonValue) : "2024-01-02T03:04:05.678Z";
}

function pairs(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
}

/** A request as REST's listener reads it. */
function overRest(operation: OperationSpec, request: JsonObject): Message {
  const inPath = operation.route.segments.flatMap((segment) => (segment.kind === "text" ? [] : [segment.field.name]));
  const path = new Map(inPath.map((name) => [name, String(request[name])]));
  const body = Object.fromEntries(Object.entries(request).filter(([name]) => !inPath.includes(name)));
  const query = operation.route.hasBody ? "" : new URLSearchParams(body as Record<string, string>).toString();
  return requestFromHttp(
    operation,
    path,
    query,
    parseStrictJson(Buffer.from(JSON.stringify(body)), operation.maxMembers),
  );
}

const wireOf = ({ method: { input } }: OperationSpec, request: JsonObject): Buffer =>
  Buffer.from(toBinary(input, fromJson(input, request)));

const overGrpc = (operation: OperationSpec, request: JsonObject): Message =>
  decodeRequest(operation, wireOf(operation, request));

function refused(read: () => unknown, why: string | RegExp): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof BunkmsError, String(error));
    assert.equal(error.code, "invalid_request");
    assert.match(error.message, typeof why === "string" ? new RegExp(`^${RegExp.escape(why)}$`) : why);
    return true;
  });
}

for (const operation of SPECS) {
  test(`the fullest request that the contract allows is read from REST and from gRPC: ${operation.action}`, () => {
    const { input } = operation.method;
    const request = fullest(input);
    const expected = fromJson(input, request);
    assert.ok(equals(input, overRest(operation, request), expected));
    assert.ok(equals(input, overGrpc(operation, request), expected));
  });
}

const ITEM = { plaintext: "" };

for (const { name, read } of [
  { name: "REST", read: overRest },
  { name: "gRPC", read: overGrpc },
]) {
  test(`REQ-37 a list or a map with one too many is refused over ${name} before it is made, wherever it is`, () => {
    const items = (count: number, context = {}) => ({
      key_name: "k",
      items: Array.from({ length: count }, () => ({ ...ITEM, context })),
    });
    for (const [operation, within, beyond, why] of [
      [BATCH, items(1000), items(1001), "items: must contain no more than 1000 item(s)"],
      [BATCH, items(2, pairs(64)), items(2, pairs(65)), "context: map must be at most 64 entries"],
      [
        ENCRYPT,
        { key_name: "k", ...ITEM, context: pairs(64) },
        { key_name: "k", ...ITEM, context: pairs(65) },
        "context: map must be at most 64 entries",
      ],
      [
        spec("keys.update"),
        { name: "k", remove_tags: Array(32).fill("a") },
        { name: "k", remove_tags: Array(33).fill("a") },
        "remove_tags: must contain no more than 32 item(s)",
      ],
    ] as const) {
      read(operation, within);
      refused(() => read(operation, beyond), why);
    }
  });
}

test("REQ-37 JSON may have as many members as the operation's rules allow in all, and not one more", () => {
  for (const operation of [BATCH, ENCRYPT]) {
    const body = (count: number) => Buffer.from(`[${Array(count).fill("1").join()}]`);
    parseStrictJson(body(operation.maxMembers), operation.maxMembers);
    refused(
      () => parseStrictJson(body(operation.maxMembers + 1), operation.maxMembers),
      "the body has too many members",
    );
  }
});

/** A field of text, `count` times. */
const texts = (number: number, count: number, text = ""): Buffer => {
  const writer = new BinaryWriter().tag(number, WireType.LengthDelimited).string(text);
  return Buffer.concat(Array<Uint8Array>(count).fill(writer.finish()));
};
const within = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish());

test("REQ-37 a message may have as many members as the operation's rules allow in all, and not one more", () => {
  for (const operation of [BATCH, ENCRYPT]) {
    // The last of a field that stands there more than once counts, as Protobuf has it.
    const message = (count: number) => Buffer.concat([texts(1, count - 1), texts(1, 1, "k")]);
    assert.equal(
      (decodeRequest(operation, message(operation.maxMembers)) as unknown as { keyName: string }).keyName,
      "k",
    );
    refused(() => decodeRequest(operation, message(operation.maxMembers + 1)), "the message has too many members");
  }
  const items = Buffer.concat(Array<Buffer>(1000).fill(within(2, texts(1, 67))));
  decodeRequest(BATCH, Buffer.concat([items, texts(1, 4)]));
  refused(() => decodeRequest(BATCH, Buffer.concat([items, texts(1, 5)])), "the message has too many members");
});

test("REQ-37 a pair has a name and a value, and nothing else", () => {
  const pair = (bytes: Uint8Array) => Buffer.concat([texts(1, 1, "k"), within(6, bytes)]);
  for (const [bytes, context] of [
    [Buffer.concat([texts(1, 1, "a"), texts(2, 1, "b")]), { a: "b" }],
    [Buffer.concat([texts(2, 1, "b"), texts(1, 1, "a")]), { a: "b" }],
    [texts(1, 1, "a"), { a: "" }],
    [Buffer.alloc(0), { "": "" }],
  ] as const) {
    assert.deepEqual((decodeRequest(ENCRYPT, pair(bytes)) as unknown as { context: object }).context, context);
  }
  refused(() => decodeRequest(ENCRYPT, pair(texts(1, 3))), "the message has too many members");
  refused(() => decodeRequest(ENCRYPT, pair(texts(3, 1))), "the request has a field that the operation does not know");
});

test("a field that the operation does not know is refused at any depth", () => {
  const unknown = "the request has a field that the operation does not know";
  const time = spec("secrets.import");
  const { number } = time.method.input.fields.find(({ message }) => message !== undefined) as DescField;
  for (const [operation, bytes] of [
    [ENCRYPT, texts(15, 1)],
    [ENCRYPT, texts(15, 500_000)],
    [BATCH, within(2, texts(15, 1))],
    [BATCH, within(2, within(5, texts(3, 1)))],
    [time, within(number, texts(3, 1))],
  ] as const) {
    refused(() => decodeRequest(operation, bytes), unknown);
  }
});

test("REQ-37 bytes that two readers could understand differently are refused as no Protobuf", () => {
  const invalid = "the message is not valid Protobuf";
  const itemOf = (...bytes: number[]) => Buffer.from([0x12, ...bytes]);
  for (const [operation, bytes] of [
    // A text as a number, and a number as a text: the decoder would read by the contract's type.
    [ENCRYPT, Buffer.from([0x08, 0x01])],
    [spec("system.random"), texts(1, 1)],
    // Its bytes are a text's, but its wire type is another: a varint, eight bytes, a group's begin and end, four bytes.
    ...[0, 1, 3, 4, 5].map((wireType) => [ENCRYPT, Buffer.from([0x08 | wireType, 0x01, 0x6b])] as const),
    // Groups of a field that there is.
    [ENCRYPT, Buffer.from([0x0b, 0x0c])],
    [ENCRYPT, Buffer.from([0x0c])],
    // An item that is longer than what is left; a text, a length and a tag that end behind their item.
    [BATCH, itemOf(0x05, 0x0a, 0x00)],
    [BATCH, Buffer.concat([itemOf(0x03, 0x0a, 0x05, 0x61), texts(1, 4, "k")])],
    [BATCH, Buffer.concat([itemOf(0x02, 0x0a, 0x80), texts(1, 1)])],
    [BATCH, Buffer.concat([itemOf(0x01, 0x8a), Buffer.alloc(2)])],
    [ENCRYPT, Buffer.from([0x00])],
    [ENCRYPT, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])],
  ] as const) {
    refused(() => decodeRequest(operation, bytes), invalid);
  }
});

test("what is left of a message that was cut off or changed is read as the decoder reads it, or refused", () => {
  const samples = [
    [ENCRYPT, wireOf(ENCRYPT, { key_name: "k", plaintext: "x", aad: "y", context: pairs(3), version: 300 })],
    [
      BATCH,
      wireOf(BATCH, { key_name: "k", items: [{ plaintext: "x", context: pairs(2) }, { plaintext_b64: "AAEC" }] }),
    ],
    [spec("secrets.import"), wireOf(spec("secrets.import"), fullest(spec("secrets.import").method.input))],
  ] as const;
  const edit = fc.record({ at: fc.nat(200), byte: fc.nat(255), cut: fc.boolean() });
  let read = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      ([operation, whole], edits) => {
        let bytes = Buffer.from(whole);
        for (const { at, byte, cut } of edits) {
          bytes = cut
            ? bytes.subarray(0, bytes.length - (at % 4))
            : bytes.fill(byte, at % bytes.length, (at % bytes.length) + 1);
        }
        const { input } = operation.method;
        let message: Message;
        try {
          message = decodeRequest(operation, bytes);
        } catch (error) {
          assert.equal((error as BunkmsError).code, "invalid_request");
          assert.ok(!isCanonical(input, bytes), bytes.toString("hex"));
          return;
        }
        read += 1;
        assert.deepEqual(message, fromBinary(input, bytes));
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(read > 100, `${read} read`);
});

/** Whether bytes are what an encoder makes of a message of the contract. */
function isCanonical(input: DescMessage, bytes: Uint8Array): boolean {
  try {
    const message = fromBinary(input, bytes, { readUnknownFields: false });
    return Buffer.from(toBinary(input, message)).equals(bytes);
  } catch {
    return false;
  }
}
