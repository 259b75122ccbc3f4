import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AuditRecord, encodeEntry, ownEntry, readMarks } from "./entry.ts";

/** Texts of which a part looks like the entry around them. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom('","identity":"x', "\\", '\\"', '"', "a\nb", "\u2028", "\ud800", "", '{"v":1,"time":"', "\\\\\\"),
);

const record: fc.Arbitrary<AuditRecord> = fc
  .record({
    time: fc.integer({ min: -1e12, max: 1e13 }),
    requestId: text,
    id: text,
    name: text,
    role: text,
    operation: text,
    resource: text,
    request: fc.dictionary(text, text),
    critical: fc.boolean(),
  })
  .map(({ id, name, role, ...rest }) => ({
    ...rest,
    ...(id === "" ? {} : { identity: { id, name, role } }),
    outcome: "ok",
    source: "127.0.0.1",
    transport: "rest",
    response: {},
  }));

test("an entry's marks are those that it was made with, whatever its texts", () => {
  fc.assert(
    fc.property(record, (made) => {
      const entry = encodeEntry(made);
      // Lone surrogates are escaped and come back as they were.
      assert.deepEqual(readMarks(entry), {
        time: made.time,
        identity: made.identity?.id ?? "",
        identityName: made.identity?.name ?? "",
        resource: made.resource,
      });
    }),
    { numRuns: 2_000 },
  );
});

test("an entry of the server's own has the mark of its resource alone", () => {
  const marks = readMarks(ownEntry("keys.rotate", "key/k", 1_764_000_000_123));
  assert.deepEqual(marks, { time: 1_764_000_000_123, identity: "", identityName: "", resource: "key/k" });
});

test("what no entry is has no marks", () => {
  const entry = ownEntry("keys.rotate", "key/k", 0).toString();
  for (const other of ["", "a change", "{}", ` ${entry}`, entry.replace('"v":1', '"v":2'), entry.slice(0, 100)]) {
    assert.equal(readMarks(Buffer.from(other)), undefined, other);
  }
});
