import assert from "node:assert/strict";
import { beforeEach, type TestContext, test } from "node:test";
import { decodeEntry } from "../audit/entry.ts";
import { Strangers } from "./strangers.ts";

const START = Date.parse("2026-02-03T04:05:06Z");
const OF_ADDRESS = 4000;
const OF_ALL = 20_000;
const SECOND = 1000;

let now = 0;
let written: Buffer[] = [];
let failures: unknown[] = [];
let submit: (entry: Buffer) => Promise<void>;

beforeEach(() => {
  now = 5000;
  written = [];
  failures = [];
  submit = async (entry) => {
    written.push(entry);
  };
});

/** With the timers of the test's own clock. */
function strangers(context: TestContext): Strangers {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  return new Strangers({
    record: (entry) => submit(entry),
    clock: () => START + now,
    monotonic: () => now,
    onFailure: (error) => failures.push(error),
  });
}

/** How many of so many refusals get an entry of their own. */
function recorded(some: Strangers, address: string, count: number): number {
  return Array.from({ length: count }, () => some.note(address)).filter(Boolean).length;
}

async function pass(context: TestContext, ms: number): Promise<void> {
  now += ms;
  context.mock.timers.tick(ms);
  // What a timer began is a few promises long.
  await new Promise((resolve) => setImmediate(resolve));
}

function entries() {
  return written.map(decodeEntry);
}

function counts(): readonly unknown[] {
  return entries().map(({ request }) => [request["calls"], request["addresses"]]);
}

test("four thousand refusals of an address have an entry each, and then five a second", async (context) => {
  const some = strangers(context);
  assert.equal(recorded(some, "a", OF_ADDRESS + 7), OF_ADDRESS);
  await pass(context, 199);
  assert.equal(recorded(some, "a", 1), 0);
  await pass(context, 1);
  assert.equal(recorded(some, "a", 2), 1);
  await pass(context, 10 * SECOND);
  assert.equal(recorded(some, "a", 100), 50);
  await pass(context, 800 * SECOND);
  assert.equal(recorded(some, "a", 2 * OF_ADDRESS), OF_ADDRESS, "a quiet time makes it whole, and no more than that");
});

test("what one address sends leaves the entries of others to them", (context) => {
  const some = strangers(context);
  recorded(some, "a", 100_000);
  assert.equal(recorded(some, "b", 10), 10);
});

test("many addresses have twenty thousand together, and then twenty a second", async (context) => {
  const some = strangers(context);
  const all = (): number =>
    Array.from({ length: 100 }, (_, i) => recorded(some, `address ${i}`, 300)).reduce((sum, one) => sum + one, 0);
  assert.equal(all(), OF_ALL);
  await pass(context, SECOND);
  assert.equal(all(), 20);
});

test("REQ-32 a second's others are one entry, with how many there were and of how many addresses", async (context) => {
  const some = strangers(context);
  recorded(some, "a", OF_ADDRESS + 3);
  recorded(some, "b", OF_ADDRESS + 4);
  await pass(context, 999);
  assert.deepEqual(written, []);
  await pass(context, 1);
  assert.deepEqual(entries(), [
    {
      time: START + 6000,
      requestId: "",
      operation: "calls.refuse",
      resource: "",
      outcome: "too_many_requests",
      source: "",
      transport: "local",
      request: { calls: "7", addresses: "2", since: "2026-02-03T04:05:11.000Z" },
      response: {},
    },
  ]);
  await pass(context, 10 * SECOND);
  assert.equal(written.length, 1, "nothing is written when nothing was counted");
  recorded(some, "a", OF_ADDRESS);
  await pass(context, SECOND);
  assert.deepEqual(counts(), [
    ["7", "2"],
    ["3945", "1"],
  ]);
});

test("REQ-32 what could not be written goes into the next entry", async (context) => {
  const some = strangers(context);
  const write = submit;
  submit = async () => {
    throw new Error("the disk is full");
  };
  recorded(some, "a", OF_ADDRESS + 3);
  await pass(context, SECOND);
  assert.equal(failures.length, 1);
  recorded(some, "b", OF_ADDRESS + 2);
  submit = write;
  await pass(context, SECOND);
  assert.deepEqual(counts(), [["5", "2"]]);
  assert.equal(entries()[0]?.request["since"], "2026-02-03T04:05:11.000Z");
});

test("REQ-32 what comes while an entry cannot be written is counted with it, of forty thousand addresses at most", async (context) => {
  const some = strangers(context);
  const write = submit;
  const { promise: disk, reject } = Promise.withResolvers<void>();
  submit = () => disk;
  recorded(some, "a", OF_ADDRESS + 3);
  for (let i = 0; i < 60_000; i++) {
    some.note(`address ${i}`);
  }
  await pass(context, SECOND);
  // Another second's are counted already when it turns out that these were not written.
  assert.equal(recorded(some, "new", 25), 20);
  submit = write;
  reject(new Error("the disk is full"));
  await pass(context, 0);
  await pass(context, SECOND);
  const counted = 3 + 60_000 - (OF_ALL - OF_ADDRESS) + 5;
  assert.deepEqual([counts(), failures.length], [[[String(counted), "40000+"]], 1]);
});

test("REQ-32 what comes while an entry is being written goes into the next", async (context) => {
  const some = strangers(context);
  const write = submit;
  const { promise: disk, resolve } = Promise.withResolvers<void>();
  submit = async (entry) => {
    await disk;
    await write(entry);
  };
  recorded(some, "a", OF_ADDRESS + 3);
  await pass(context, SECOND);
  assert.equal(recorded(some, "a", 9), 5);
  await pass(context, 3 * SECOND);
  assert.deepEqual(written, []);
  resolve();
  await pass(context, 0);
  await pass(context, SECOND);
  assert.deepEqual(counts(), [
    ["3", "1"],
    ["4", "1"],
  ]);
});

test("REQ-32 closing writes what is left, also after a failure, and nothing twice", async (context) => {
  const some = strangers(context);
  const write = submit;
  submit = async () => {
    submit = write;
    throw new Error("busy");
  };
  recorded(some, "a", OF_ADDRESS + 3);
  now += SECOND;
  context.mock.timers.tick(SECOND);
  await some.close();
  assert.deepEqual([counts(), failures.length], [[["3", "1"]], 1]);
  await pass(context, 10 * SECOND);
  assert.equal(written.length, 1);
});

test("REQ-32 after the end nothing is tried again, also when the last entry could not be written", async (context) => {
  const some = strangers(context);
  let tried = 0;
  submit = async () => {
    tried += 1;
    throw new Error("closed");
  };
  recorded(some, "a", OF_ADDRESS + 3);
  await some.close();
  assert.equal(tried, 1);
  await pass(context, 10 * SECOND);
  assert.deepEqual([tried, failures.length], [1, 1]);
});

test("no more addresses are remembered than can be below their burst at once", async (context) => {
  let remembered: Map<unknown, unknown> = new Map();
  const real = Map.prototype.set;
  context.mock.method(Map.prototype, "set", function set(this: Map<unknown, unknown>, key: unknown, value: unknown) {
    if (String(key).startsWith("address ")) {
      remembered = this;
    }
    return real.call(this, key, value);
  });
  const some = strangers(context);
  let most = 0;
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < OF_ALL; i++) {
      some.note(`address ${round} ${i}`);
    }
    most = Math.max(most, remembered.size);
    await pass(context, 1_000 * SECOND);
  }
  assert.equal(most, 2 * OF_ALL);
});

test("more than forty thousand addresses are not told apart, and newcomers have their entries once there is room", async (context) => {
  const some = strangers(context);
  for (let i = 0; i < 100_000; i++) {
    some.note(`address ${i}`);
  }
  await pass(context, SECOND);
  assert.deepEqual(counts(), [["80000", "40000+"]]);
  for (let round = 0; round < 3000; round++) {
    assert.equal(recorded(some, `later ${round}`, 20), 20);
    await pass(context, SECOND);
  }
});
