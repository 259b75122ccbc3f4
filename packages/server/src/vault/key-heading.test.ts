import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { KeyRecordSchema } from "@bunkms/contract/record";
import fc from "fast-check";
import { type KeyHeading, readKeyHeading } from "./key-heading.ts";

const seed = Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31);

const text = fc.string({ unit: "binary", maxLength: 200 }).map((chars) => chars.toWellFormed());
const uint32 = fc.nat(2 ** 32 - 1);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const records = fc
  .record(
    {
      name: text,
      id: fc.uint8Array({ maxLength: 20 }).map((bytes) => new Uint8Array(bytes)),
      type: text,
      createdAtMs: int64,
      latestVersion: uint32,
      purpose: text,
      state: text,
      derived: fc.boolean(),
      description: text,
      tags: fc.dictionary(
        text.filter((name) => name !== "__proto__"),
        text,
        { maxKeys: 5 },
      ),
      rotationPeriodSeconds: uint32,
      rotatedAtMs: int64,
      deletionAtMs: int64,
      versionDeletionAtMs: int64,
      legacyVersions: uint32,
    },
    { requiredKeys: [] },
  )
  .map((fields) => toBinary(KeyRecordSchema, create(KeyRecordSchema, fields)));

/** The same fields by `fromBinary`. */
function expected(payload: Uint8Array): KeyHeading {
  const { name, id, type, state, tags, rotationPeriodSeconds, rotatedAtMs, deletionAtMs, versionDeletionAtMs } =
    fromBinary(KeyRecordSchema, payload);
  return { name, id, type, state, tags, rotationPeriodSeconds, rotatedAtMs, deletionAtMs, versionDeletionAtMs };
}

const reads = (payload: Uint8Array) => assert.deepEqual(readKeyHeading(payload), expected(payload));

test("a heading has what the whole record has", () => {
  reads(new Uint8Array(0));
  fc.assert(fc.property(records, reads), { seed, numRuns: 500 });
});

test("of two records joined each field is the last, and tags are those of both, as the encoding has it", () => {
  const joined = fc.tuple(records, records).map((parts) => new Uint8Array(Buffer.concat(parts)));
  fc.assert(fc.property(joined, reads), { seed, numRuns: 200 });
});

test("fields of a later version are skipped, in the record and in a tag, as is a tag without name or value", () => {
  const later = (writer: BinaryWriter) => writer.tag(1000, WireType.LengthDelimited).string("later");
  const tag = new BinaryWriter().tag(1, WireType.LengthDelimited).string("name");
  const payload = later(new BinaryWriter().tag(1, WireType.LengthDelimited).string("a name"))
    .tag(13, WireType.LengthDelimited)
    .bytes(later(tag).finish())
    .tag(13, WireType.LengthDelimited)
    .bytes(new Uint8Array(0))
    .finish();
  reads(payload);
  assert.deepEqual(readKeyHeading(payload).tags, { name: "", "": "" });
});

test("what is cut short is refused whenever the whole record is", () => {
  const outcome = (read: (payload: Uint8Array) => unknown, payload: Uint8Array) => {
    try {
      return read(payload);
    } catch {
      return "refused";
    }
  };
  const same = (payload: Uint8Array) =>
    assert.deepEqual(
      outcome(readKeyHeading, payload),
      outcome(expected, payload),
      Buffer.from(payload).toString("hex"),
    );
  const cut = fc.tuple(records, fc.nat()).map(([payload, at]) => payload.subarray(0, at % (payload.length + 1)));
  fc.assert(fc.property(cut, same), { seed, numRuns: 500 });
});
