import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuditRecord, decodeEntry, encodeEntry } from "./entry.ts";
import { AuditLog, batchPath, decodeBatch } from "./log.ts";
import { AuditReader, type BatchSource } from "./reader.ts";

function record(time: number, fields: Partial<AuditRecord> = {}): AuditRecord {
  return {
    time,
    requestId: `r${time}`,
    identity: { id: "00", name: "app", role: "operator" },
    operation: "keys.encrypt",
    resource: "key/k",
    outcome: "ok",
    source: "127.0.0.1",
    transport: "rest",
    request: {},
    response: {},
    ...fields,
  };
}

/** A reader without an index. */
function readerOf(log: AuditLog, newestFirst: BatchSource["newestFirst"], pruned = () => 0): AuditReader {
  return new AuditReader({ batches: { newestFirst, holding: () => assert.fail() }, log, pruned });
}

/** A log in memory with batches of these sizes. */
function logOf(sizes: readonly number[], fields: (index: number) => Partial<AuditRecord> = () => ({})) {
  const log = new AuditLog();
  const payloads: Buffer[] = [];
  for (const size of sizes) {
    const first = log.frontier.size;
    const entries = Array.from({ length: size }, (_, i) => encodeEntry(record(first + i, fields(first + i))));
    const batch = log.prepare(entries, 0);
    payloads.push(batch.payload);
    log.adopt(batch.end);
  }
  const reader = readerOf(log, async function* (before) {
    yield* payloads.filter((payload) => decodeBatch(payload).first < before).reverse();
  });
  return { log, payloads, reader };
}

test("an entry's bytes are one line of JSON with its members in the order of the specification", () => {
  const bytes = encodeEntry(record(0, { request: { name: "k" } }));
  assert.equal(
    bytes.toString(),
    '{"v":1,"time":"1970-01-01T00:00:00.000Z","request_id":"r0","identity":"00","identity_name":"app","role":"operator",' +
      '"operation":"keys.encrypt","resource":"key/k","outcome":"ok","source":"127.0.0.1","transport":"rest",' +
      '"request":{"name":"k"},"response":{}}',
  );
  assert.deepEqual(decodeEntry(bytes), record(0, { request: { name: "k" } }));
});

test("an entry's time is of RFC 3339 with milliseconds, whatever the entry before had", () => {
  const second = Date.UTC(2026, 11, 31, 23, 59, 59);
  for (const time of [
    second,
    second + 7,
    second + 999,
    second + 1000,
    second + 1010,
    second,
    0,
    1,
    // A clock that is not set, and one that tells more.
    -1,
    -1500,
    1.5,
    253_402_300_799_999,
  ]) {
    assert.equal(JSON.parse(encodeEntry(record(time)).toString()).time, new Date(time).toISOString());
  }
});

test("an entry says last that its operation is critical, and nothing of it when it is not", () => {
  const bytes = encodeEntry(record(0, { critical: true }));
  assert.ok(bytes.toString().endsWith(',"response":{},"critical":"true"}'));
  assert.deepEqual(decodeEntry(bytes), record(0, { critical: true }));
  assert.deepEqual(encodeEntry(record(0, { critical: false })), encodeEntry(record(0)));
});

test("a batch holds its entries and the frontier after them, and reads back", () => {
  const { payloads, log } = logOf([1, 3, 5]);
  const last = decodeBatch(payloads[2] as Buffer);
  assert.equal(last.first, 4);
  assert.equal(last.entries.length, 5);
  assert.deepEqual(last.frontier.root(), log.frontier.root());
});

test("a batch cut at any place, or with a byte too many, is refused", () => {
  const { payloads } = logOf([2, 3]);
  const payload = payloads[1] as Buffer;
  for (let length = 0; length < payload.length; length++) {
    assert.throws(() => decodeBatch(payload.subarray(0, length)), RangeError, `cut at ${length}`);
  }
  assert.throws(() => decodeBatch(Buffer.concat([payload, Buffer.of(0)])), RangeError);
});

test("preparing a batch changes nothing until it is adopted", () => {
  const log = new AuditLog();
  log.prepare([encodeEntry(record(1))], 0);
  assert.equal(log.frontier.size, 0);
});

test("a batch that was prepared and not adopted leaves nothing in the next: its tiles, payload and end are as if it had never been", () => {
  const entries = Array.from({ length: 300 }, (_, i) => encodeEntry(record(i)));
  const log = new AuditLog();
  log.adopt(log.prepare(entries.slice(0, 250), 0).end);
  const refused = log.prepare(entries.slice(250), 0);
  const again = log.prepare(entries.slice(250), 0);
  assert.deepEqual(again, refused);
  const whole = new AuditLog().prepare(entries, 0);
  assert.deepEqual(again.end, whole.end);
  assert.deepEqual(again.tiles, whole.tiles);
  assert.deepEqual(
    [0, 1].map((level) => again.end.edges.level(level).length),
    [44, 1],
  );
});

test("paths of batches are in the order of their entries", () => {
  const paths = [0, 1, 9, 10, 15, 16, 255, 256, 2 ** 40].map(batchPath);
  assert.deepEqual(paths.toSorted(), paths);
});

test("pages of the log join to the whole, the newest first, whatever their size", async () => {
  const { reader } = logOf([1, 4, 2, 7]);
  for (const limit of [1, 2, 3, 5, 14, 100]) {
    const seen: number[] = [];
    let before: number | undefined;
    do {
      const page = await reader.list({}, before, limit);
      assert.ok(page.entries.length <= limit);
      seen.push(...page.entries.map((entry) => entry.index));
      before = page.next;
    } while (before !== undefined);
    assert.deepEqual(
      seen,
      Array.from({ length: 14 }, (_, i) => 13 - i),
      `limit ${limit}`,
    );
  }
});

test("each filter lets just the entries through that fit", async () => {
  const { reader } = logOf([6], (i) => ({
    operation: i % 2 === 0 ? "keys.encrypt" : "keys.sign",
    resource: `key/${i}`,
    outcome: i === 3 ? "not_found" : "ok",
    identity: { id: `id${i}`, name: i < 2 ? "app" : "job", role: "operator" },
  }));
  const indexes = async (filter: Parameters<typeof reader.list>[0]) =>
    (await reader.list(filter, undefined, 100)).entries.map((entry) => entry.index);
  assert.deepEqual(await indexes({ operation: "keys.sign" }), [5, 3, 1]);
  assert.deepEqual(await indexes({ resource: "key/4" }), [4]);
  assert.deepEqual(await indexes({ outcome: "not_found" }), [3]);
  assert.deepEqual(await indexes({ identity: "id5" }), [5]);
  assert.deepEqual(await indexes({ identity: "app" }), [1, 0]);
  assert.deepEqual(await indexes({ requestId: "r2" }), [2]);
  assert.deepEqual(await indexes({ since: 2, until: 4 }), [3, 2]);
  assert.deepEqual(await indexes({ operation: "keys.sign", outcome: "ok" }), [5, 1]);
});

test("entries whose times lag by up to an hour are found after a later one", async () => {
  const HOUR = 3_600_000;
  const times = [2 * HOUR, HOUR, 2 * HOUR, HOUR + 1];
  const { reader } = logOf([2, 2], (i) => ({ time: times[i] as number }));
  const { entries } = await reader.list({ since: 2 * HOUR }, undefined, 100);
  assert.deepEqual(
    entries.map(({ index }) => index),
    [2, 0],
  );
});

test("a page that ends with the oldest entry has no next one, and one beyond the end begins with the newest", async () => {
  const { reader } = logOf([2, 3]);
  assert.equal((await reader.list({}, undefined, 5)).next, undefined);
  assert.equal((await reader.list({}, undefined, 4)).next, 1);
  assert.deepEqual(await reader.list({}, 1_000, 5), await reader.list({}, undefined, 5));
});

test("one call looks at twenty thousand entries at most, and says where to go on", async () => {
  const { reader } = logOf(Array.from({ length: 80 }, () => 256));
  const filter = { requestId: "r0" };
  const page = await reader.list(filter, undefined, 100);
  assert.deepEqual([page.entries.length, page.next], [0, 80 * 256 - 20_000]);
  const rest = await reader.list(filter, page.next, 100);
  assert.deepEqual([rest.entries.map(({ index }) => index), rest.next], [[0], undefined]);
});

test("an empty log has an empty page", async () => {
  const { reader } = logOf([]);
  assert.deepEqual((await reader.list({}, undefined, 10)).entries, []);
});

test("a batch that is missing anywhere, or there twice, is noticed", async () => {
  for (const there of [
    [1, 2],
    [0, 2],
    [0, 1],
    [0, 1, 1, 2],
  ]) {
    const { log, payloads } = logOf([2, 2, 2]);
    const left = there.map((i) => payloads[i] as Buffer).reverse();
    const reader = readerOf(log, async function* () {
      yield* left;
    });
    await assert.rejects(reader.list({}, undefined, 100), RangeError);
  }
});

test("entries that are pruned while a page is read do not make the log look damaged", async () => {
  for (const [before, left] of [
    [undefined, [5, 4]],
    [2, []],
  ] as const) {
    const { log, payloads } = logOf([2, 2, 2]);
    let pruned = 0;
    const read = async function* () {
      pruned = 4;
      yield* before === undefined ? payloads.slice(2) : [];
    };
    const reader = readerOf(log, read, () => pruned);
    const page = await reader.list({}, before, 100);
    assert.deepEqual([page.entries.map(({ index }) => index), page.next, page.pruned], [left, undefined, 4]);
  }
});
