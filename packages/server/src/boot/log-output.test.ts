import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogOutput, type LogSystem } from "./log-output.ts";

type Done = Parameters<LogSystem["write"]>[3];

const MOST = 16 * 1024 * 1024;

/** A descriptor that takes what a test lets it take. */
class Descriptor implements LogSystem {
  text = "";
  failure: string | undefined;
  /** Bytes that are taken at once. */
  most = Number.POSITIVE_INFINITY;
  tries = 0;
  readonly #pending: (() => void)[] = [];

  write(_fd: number, bytes: Buffer, offset: number, done: Done): void {
    this.#pending.push(() => {
      try {
        done(null, this.writeSync(0, bytes, offset));
      } catch (error) {
        done(error as NodeJS.ErrnoException, 0);
      }
    });
  }

  writeSync(_fd: number, bytes: Buffer, offset: number): number {
    this.tries += 1;
    if (this.failure !== undefined) {
      throw Object.assign(new Error("no"), { code: this.failure });
    }
    const taken = bytes.subarray(offset, offset + Math.min(this.most, bytes.length));
    this.text += taken.toString();
    return taken.length;
  }

  /** Lets the write that is under way end. */
  step(): void {
    this.#pending.shift()?.();
  }

  settle(): void {
    while (this.#pending.length > 0) this.step();
  }

  /** What was written, with how many lines were lost in the place of the line that says so. */
  get lines(): readonly (string | number)[] {
    return this.text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (line.includes("were lost") ? (JSON.parse(line) as { lines: number }).lines : line));
  }
}

test("lines come whole and in order, those that come meanwhile in one write", () => {
  const descriptor = new Descriptor();
  descriptor.most = 3;
  const output = new LogOutput(2, descriptor);
  output.write("first\n");
  output.write("second\n");
  output.write("thürd\n");
  descriptor.settle();
  assert.equal(descriptor.text, "first\nsecond\nthürd\n");
  output.write("fourth\n");
  descriptor.settle();
  assert.deepEqual(descriptor.lines, ["first", "second", "thürd", "fourth"]);
});

for (const failure of ["ENOSPC", "EIO", "EPIPE", "EBADF"]) {
  test(`after ${failure} it goes on with the next line, and says how many were lost`, () => {
    const descriptor = new Descriptor();
    const output = new LogOutput(2, descriptor);
    descriptor.failure = failure;
    for (const line of ["1\n", "2\n", "3\n"]) output.write(line);
    descriptor.settle();
    output.write("4\n");
    descriptor.settle();
    assert.equal(descriptor.tries, 3, "each line is tried once");
    descriptor.failure = undefined;
    output.write("5\n");
    descriptor.settle();
    output.write("6\n");
    descriptor.settle();
    assert.deepEqual(descriptor.lines, [4, "5", "6"]);
  });
}

test("a line that was torn by a full disk has an end before the next one", () => {
  const descriptor = new Descriptor();
  descriptor.most = 4;
  const output = new LogOutput(2, descriptor);
  output.write("torn in two\n");
  descriptor.step();
  descriptor.failure = "ENOSPC";
  descriptor.settle();
  descriptor.failure = undefined;
  output.write("next\n");
  descriptor.settle();
  assert.deepEqual(descriptor.lines, ["torn", 1, "next"]);
});

test("a full pipe is waited for, and what comes beyond 16 MiB meanwhile is lost, not kept", async () => {
  const descriptor = new Descriptor();
  const output = new LogOutput(2, descriptor);
  descriptor.failure = "EAGAIN";
  output.write("first\n");
  descriptor.settle();
  const line = `${"x".repeat(MOST / 4 - 1)}\n`;
  for (let count = 0; count < 7; count++) output.write(line);
  descriptor.failure = undefined;
  for (const deadline = performance.now() + 10_000; !descriptor.text.includes("x"); ) {
    assert.ok(performance.now() < deadline);
    await sleep(20);
    descriptor.settle();
  }
  assert.deepEqual(
    descriptor.lines.map((one) => (typeof one === "string" ? one.length : one)),
    [5, 3, ...Array(4).fill(MOST / 4 - 1)],
  );
});

test("a full pipe is tried again soon, and less often the longer it is full", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const pipe = new Descriptor();
  const output = new LogOutput(2, pipe);
  const trying = (forMs: number): number => {
    const before = pipe.tries;
    for (let ms = 0; ms < forMs; ms++) {
      context.mock.timers.tick(1);
      pipe.settle();
    }
    return pipe.tries - before;
  };
  for (let times = 0; times < 2; times++) {
    pipe.failure = "EAGAIN";
    output.write("waited for\n");
    pipe.settle();
    assert.equal(trying(1), 1);
    trying(1000);
    assert.equal(trying(1000), 10);
    pipe.failure = undefined;
    trying(100);
  }
  assert.deepEqual(pipe.lines, ["waited for", "waited for"]);
});

test("at the end what a full pipe did not take yet is written before what came after it", () => {
  const pipe = new Descriptor();
  pipe.most = 3;
  const output = new LogOutput(2, pipe);
  output.write("cut in two\n");
  pipe.step();
  pipe.failure = "EAGAIN";
  pipe.settle();
  output.write("next\n");
  pipe.failure = undefined;
  output.writeLast();
  assert.equal(pipe.text, "cut in two\nnext\n");
});

test("at the end what waits is written, and what cannot be is given up", (context) => {
  const descriptor = new Descriptor();
  descriptor.most = 3;
  const output = new LogOutput(2, descriptor);
  for (const line of ["under way\n", "waits\n", "waits, too\n"]) output.write(line);
  output.writeLast();
  assert.equal(descriptor.text, "waits\nwaits, too\n");
  for (const failure of ["ENOSPC", "EAGAIN"]) {
    const broken = new Descriptor();
    broken.failure = failure;
    const lost = new LogOutput(2, broken);
    for (const line of ["under way\n", "waits\n"]) lost.write(line);
    let waitedMs = 0;
    context.mock.method(Atomics, "wait", (_: unknown, _index: number, _value: number, ms: number) => {
      waitedMs += ms;
      return "timed-out";
    });
    lost.writeLast();
    assert.deepEqual([waitedMs, broken.tries], failure === "EAGAIN" ? [1000, 1000] : [0, 1]);
  }
});

test("to a file it writes as it is", async (context: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-log-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "log");
  const fd = openSync(path, "w");
  const output = new LogOutput(fd);
  output.write("one\n");
  output.write("two\n");
  while (readFileSync(path, "utf8") === "") await sleep(5);
  output.writeLast();
  await sleep(50);
  closeSync(fd);
  assert.equal(readFileSync(path, "utf8").length, 8);
});
