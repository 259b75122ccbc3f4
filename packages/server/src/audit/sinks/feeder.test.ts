import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { auditEntries, until } from "../../../../../test/harness/audit-entries.ts";
import { type CursorStore, Feeder, type FeederParts, type LogSource, type SinkTally } from "./feeder.ts";
import { DeliveryFailed, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, type Sink, type SinkEntry } from "./sink.ts";

class FakeLog implements LogSource {
  entries: Buffer[];

  constructor(count: number) {
    this.entries = auditEntries(0, count).map(({ bytes }) => bytes);
  }

  grow(count: number): void {
    this.entries.push(...auditEntries(this.entries.length, count).map(({ bytes }) => bytes));
  }

  size = (): number => this.entries.length;
  read = async (from: number, limit: number): Promise<readonly Buffer[]> => this.entries.slice(from, from + limit);
}

class FakeCursors implements CursorStore {
  value: number | undefined;
  beforeSave: () => void = () => {};

  load = async (): Promise<number | undefined> => this.value;
  save = async (_sink: string, cursor: number): Promise<void> => {
    this.beforeSave();
    this.value = cursor;
  };
}

class FakeSink implements Sink {
  readonly name = "webhook";
  readonly got: SinkEntry[] = [];
  readonly batches: number[] = [];
  isClosed = false;
  before: (entries: readonly SinkEntry[], signal: AbortSignal) => Promise<void> = async () => {};

  async deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void> {
    await this.before(entries, signal);
    this.batches.push(entries.length);
    this.got.push(...entries);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

function feed(options: Partial<FeederParts> & { readonly log: FakeLog; readonly cursors?: FakeCursors }) {
  const { log, cursors = new FakeCursors() } = options;
  const sink = new FakeSink();
  const tally: SinkTally = { lag: 0, failures: 0, rejected: 0, lastSuccess: 0 };
  const events: string[] = [];
  const feeder = new Feeder({
    sink,
    source: log,
    cursors,
    from: "beginning",
    tally,
    onFailing: (reason) => events.push(reason),
    onRecovered: () => events.push("recovered"),
    ...options,
  });
  return { feeder, sink, tally, cursors, events };
}

/** In the log's order, each once, with the log's bytes. */
function assertWhole(got: readonly SinkEntry[], log: FakeLog, first = 0): void {
  assert.deepEqual(
    got.map(({ index }) => index),
    Array.from({ length: log.size() - first }, (_, i) => first + i),
  );
  assert.ok(got.every(({ index, bytes }) => bytes.equals(log.entries[index] as Buffer)));
}

test("a new sink gets the log from its beginning, in batches that are bounded, and then what is added", async () => {
  const log = new FakeLog(1300);
  const { feeder, sink, cursors, tally } = feed({ log });
  feeder.start();
  await until(() => cursors.value === 1300, "the log");
  assert.deepEqual(sink.batches, [MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES, 1300 - 2 * MAX_BATCH_ENTRIES]);
  log.grow(3);
  assert.equal(feeder.lag, 3);
  await until(() => cursors.value === 1303, "what was added");
  assertWhole(sink.got, log);
  assert.equal(feeder.lag, 0);
  assert.ok(Date.now() - tally.lastSuccess < 5000);
  await feeder.stop(2000);
  assert.ok(sink.isClosed);
});

test("a batch has no more bytes than it may, but one entry at least", async () => {
  const log = new FakeLog(0);
  log.entries = [1.5, 0.4, 0.4, 0.4, 0.1].map((share) => Buffer.alloc(share * MAX_BATCH_BYTES, 0x20));
  const { feeder, sink, cursors } = feed({ log });
  feeder.start();
  await until(() => cursors.value === 5, "the log");
  assert.deepEqual(sink.batches, [1, 2, 2]);
  await feeder.stop(2000);
});

test("a new sink that begins now gets nothing older, also when it was down at first", async () => {
  const log = new FakeLog(7);
  const { feeder, sink, cursors } = feed({ log, from: "now" });
  let failures = 0;
  sink.before = async () => {
    failures += 1;
    if (failures === 1) {
      throw new DeliveryFailed("down");
    }
  };
  feeder.start();
  await until(() => cursors.value === 7, "the cursor");
  log.grow(2);
  await until(() => cursors.value === 9, "what was added");
  assertWhole(sink.got, log, 7);
  await feeder.stop(2000);

  // From then on it is no new sink.
  const again = feed({ log, cursors, from: "now" });
  log.grow(1);
  again.feeder.start();
  await until(() => cursors.value === 10, "the entry of the time between");
  assertWhole(again.sink.got, log, 9);
  await again.feeder.stop(2000);
});

test("while a sink is down nothing is lost, its failures are counted, and it is told once of both", async () => {
  const log = new FakeLog(4);
  const { feeder, sink, cursors, tally, events } = feed({ log });
  let isDown = true;
  sink.before = async () => {
    if (isDown) {
      throw new DeliveryFailed("down");
    }
  };
  feeder.start();
  await until(() => tally.failures === 2, "two failures");
  log.grow(4);
  assert.equal(feeder.lag, 8);
  isDown = false;
  await until(() => cursors.value === 8, "the log");
  assertWhole(sink.got, log);
  assert.deepEqual(events, ["down", "recovered"]);
  await feeder.stop(2000);
});

test("pauses after failures grow from a second to a minute, and what needs mending waits a minute", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const waits = async (failure: DeliveryFailed, seconds: readonly number[]): Promise<void> => {
    const { feeder, sink, tally } = feed({ log: new FakeLog(1) });
    sink.before = async () => {
      throw failure;
    };
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    feeder.start();
    await turns();
    for (const [i, pause] of seconds.entries()) {
      assert.equal(tally.failures, i + 1);
      t.mock.timers.tick(pause * 1000 - 1);
      await turns();
      assert.equal(tally.failures, i + 1, `before ${pause} s`);
      t.mock.timers.tick(1);
      await turns();
    }
    assert.equal(tally.failures, seconds.length + 1);
    const stopped = feeder.stop(2000);
    await turns();
    t.mock.timers.tick(10_000);
    await stopped;
  };
  return waits(new DeliveryFailed("down"), [1, 2, 4, 8, 16, 32, 60, 60])
    .then(() => waits(new DeliveryFailed("down", { needsMending: true }), [60, 60]))
    .then(() => waits(new DeliveryFailed("busy", { pauseMs: 5000 }), [5, 5, 5, 8]));
});

test("what was delivered is not delivered again because its cursor could not be kept, and nothing more is before", async () => {
  const log = new FakeLog(3);
  const { feeder, sink, cursors, tally } = feed({ log });
  let isFull = true;
  cursors.beforeSave = () => {
    if (isFull && sink.got.length > 0) {
      throw new Error("the disk is full");
    }
  };
  feeder.start();
  await until(() => tally.failures > 0, "a failure");
  log.grow(2);
  await sleep(300);
  assert.equal(sink.got.length, 3);
  isFull = false;
  await until(() => cursors.value === 5, "the log");
  assertWhole(sink.got, log);
  await feeder.stop(2000);
});

test("after a crash between delivery and cursor the batch comes again, and nothing is left out", async () => {
  const log = new FakeLog(600);
  const first = feed({ log });
  first.sink.before = async () => {
    if (first.sink.batches.length === 1) {
      await new Promise(() => {});
    }
  };
  first.feeder.start();
  await until(() => first.cursors.value === MAX_BATCH_ENTRIES, "the first batch");
  // The crash: what it delivers from now on, it does not remember.
  const second = feed({ log, cursors: Object.assign(new FakeCursors(), { value: MAX_BATCH_ENTRIES - 100 }) });
  second.feeder.start();
  await until(() => second.cursors.value === 600, "the rest");
  assertWhole(second.sink.got, log, MAX_BATCH_ENTRIES - 100);
  await second.feeder.stop(2000);
  await first.feeder.stop(2000);
});

test("a batch that is too large is halved until it fits", async () => {
  const log = new FakeLog(20);
  const { feeder, sink, cursors } = feed({ log });
  sink.before = async (entries) => {
    if (entries.length > 4) {
      throw new DeliveryFailed("too large", { isTooLarge: true, needsMending: true });
    }
  };
  feeder.start();
  await until(() => cursors.value === 20, "the log");
  assert.deepEqual(sink.batches, [4, 4, 4, 4, 4]);
  assertWhole(sink.got, log);
  await feeder.stop(2000);
});

test("batches grow again when the receiver takes larger ones, and nothing is left out meanwhile", async () => {
  const log = new FakeLog(14_000);
  const { feeder, sink, cursors, tally, events } = feed({ log });
  let most = 60;
  sink.before = async (entries) => {
    if (entries.length > most) {
      throw new DeliveryFailed("too large", { isTooLarge: true, needsMending: true });
    }
    if (sink.got.length > 1000) {
      most = MAX_BATCH_ENTRIES;
    }
  };
  feeder.start();
  await until(() => cursors.value === log.size(), "the log");
  assertWhole(sink.got, log);
  const sizes = sink.batches.filter((size, i) => size !== sink.batches[i - 1]);
  assert.deepEqual(sizes.slice(0, 5), [32, 64, 128, 256, 512]);
  // Four at first, and one when more was tried too early.
  assert.equal(tally.failures, 5);
  assert.deepEqual(events, ["too large", "recovered", "too large", "recovered"]);
  await feeder.stop(2000);
});

test("it stops in a few seconds while a sink hangs, at once while it waits, and remembers what was delivered", async () => {
  const hanging = feed({ log: new FakeLog(1) });
  let wasBrokenOff = false;
  hanging.sink.before = (_, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        wasBrokenOff = true;
        reject(signal.reason);
      });
    });
  hanging.feeder.start();
  await sleep(50);
  const start = performance.now();
  await hanging.feeder.stop(2000);
  assert.ok(performance.now() - start < 3500);
  assert.ok(wasBrokenOff);
  assert.equal(hanging.tally.failures, 0);
  assert.equal(hanging.tally.lag, 1);

  const hurried = feed({ log: new FakeLog(1) });
  hurried.sink.before = hanging.sink.before;
  hurried.feeder.start();
  await sleep(50);
  const hurrying = performance.now();
  await hurried.feeder.stop(100);
  assert.ok(performance.now() - hurrying < 600);

  const deaf = feed({ log: new FakeLog(1) });
  deaf.sink.before = () => new Promise(() => {});
  deaf.feeder.start();
  await sleep(50);
  await deaf.feeder.stop(2000);
  assert.ok(performance.now() - start < 8000);

  const waiting = feed({ log: new FakeLog(1) });
  waiting.sink.before = async () => {
    throw new DeliveryFailed("down", { needsMending: true });
  };
  waiting.feeder.start();
  await until(() => waiting.tally.failures === 1, "a failure");
  const stopping = performance.now();
  await waiting.feeder.stop(2000);
  assert.ok(performance.now() - stopping < 500);

  const ending = feed({ log: new FakeLog(1) });
  ending.sink.before = () => sleep(300);
  ending.feeder.start();
  await sleep(50);
  await ending.feeder.stop(2000);
  assert.equal(ending.cursors.value, 1);
});

test("a cursor beyond the log's end is a failure, and nothing is delivered", async () => {
  const cursors = Object.assign(new FakeCursors(), { value: 9 });
  const { feeder, sink, events } = feed({ log: new FakeLog(3), cursors });
  feeder.start();
  await until(() => events.length > 0, "the failure");
  assert.deepEqual(events, ["the log ends before the sink's place in it"]);
  assert.equal(sink.got.length, 0);
  await feeder.stop(2000);
});

test("to reopen tries at once what waits after a failure", async () => {
  const { feeder, sink, cursors, tally } = feed({ log: new FakeLog(1) });
  let isDown = true;
  sink.before = async () => {
    if (isDown) {
      throw new DeliveryFailed("somebody must mend it", { needsMending: true });
    }
  };
  feeder.start();
  await until(() => tally.failures === 1, "a failure");
  isDown = false;
  feeder.reopen();
  await until(() => cursors.value === 1, "the entry", 2000);
  await feeder.stop(2000);
});
