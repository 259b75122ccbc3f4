import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { pkcs11Wrapper } from "../pkcs11.ts";
import { SealFailure, SealUnavailable } from "../seal.ts";
import { joinMessage, type Order, splitMessage } from "./order.ts";
import { callToken } from "./token-call.ts";

const ORDER: Order = {
  action: "wrap",
  module: "/nowhere.so",
  token: "vault",
  keyLabel: "root",
  keyId: "",
  mechanism: "aes-gcm",
};
const PAYLOAD = { pin: Buffer.from("1234"), bytes: Buffer.alloc(32), context: Buffer.alloc(8) };
/** What a module that hangs looks like from outside: the thread is blocked, and signals that can be caught are. */
const HANGING =
  'process.on("SIGTERM", () => {}); for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "bunkms-token-call-"));
});

after(() => {
  rmSync(folder, { recursive: true });
});

/** Another program in place of the one that talks to the token. */
function program(text: string): string {
  const path = join(folder, `${Math.random()}.cjs`);
  writeFileSync(path, text);
  return path;
}

/** One that reads its order and answers with these bytes. */
function answering(bytes: Buffer): string {
  const path = `${program("")}.bytes`;
  writeFileSync(path, bytes);
  return program(
    `const fs = require("node:fs"); fs.readFileSync(0); fs.writeFileSync(3, fs.readFileSync(${JSON.stringify(path)}));`,
  );
}

function call(text: string, { timeoutMs = 30_000, signal = new AbortController().signal } = {}): Promise<Buffer> {
  return callToken(ORDER, PAYLOAD, { timeoutMs, signal, program: text });
}

function children(): readonly string[] {
  const list = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
  return list.split(" ").filter((pid) => pid !== "");
}

async function untilNoChildren(): Promise<void> {
  for (let tries = 0; children().length > 0; tries += 1) {
    assert.ok(tries < 500, `still there: ${children()}`);
    await wait(10);
  }
}

test("an outcome is what its message says", async () => {
  const bytes = Buffer.from("wrapped");
  assert.deepEqual(await call(answering(joinMessage({ result: "done", text: "" }, bytes))), bytes);
  const outcomes = [
    ["failure", SealFailure],
    ["unavailable", SealUnavailable],
    ["pin-refused", SealUnavailable],
  ] as const;
  for (const [result, type] of outcomes) {
    await assert.rejects(call(answering(joinMessage({ result, text: "because" }))), (error) => {
      return error instanceof type && error.message === "because";
    });
  }
});

test("a call that hangs is given up after its time, meanwhile nothing else waits, and its process is ended", async () => {
  const start = performance.now();
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks += 1;
  }, 10);
  await assert.rejects(call(program(HANGING), { timeoutMs: 1000 }), {
    name: "SealUnavailable",
    message: "the token did not answer within 1 s",
  });
  clearInterval(ticking);
  assert.ok(performance.now() - start < 5000);
  assert.ok(ticks > 20, `${ticks} ticks`);
  await untilNoChildren();
});

test("a seal whose call hung makes the next in a process of its own", async () => {
  const seen = join(folder, "seen");
  const hangsOnce = program(`
    const fs = require("node:fs");
    fs.readFileSync(0);
    if (!fs.existsSync(${JSON.stringify(seen)})) { fs.writeFileSync(${JSON.stringify(seen)}, ""); ${HANGING} }
    fs.writeFileSync(3, Buffer.from(${JSON.stringify(joinMessage({ result: "done", text: "" }, Buffer.from("ok")).toString("hex"))}, "hex"));
  `);
  const options = { module: "/nowhere.so", token: "vault", keyLabel: "root", timeoutMs: 2000 };
  const wrapper = pkcs11Wrapper({ ...options, readPin: () => Buffer.from("1234") }, hangsOnce);
  const { signal } = new AbortController();
  const both = await Promise.allSettled([
    wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, signal),
    wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, signal),
  ]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
  await wrapper.close();
  await untilNoChildren();
});

test("a call that is aborted rejects with the signal's reason, and its process is ended", async () => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const running = call(program(HANGING), { signal: stop.signal });
  setTimeout(() => stop.abort(reason), 200);
  await assert.rejects(running, (error) => error === reason);
  await untilNoChildren();
  await assert.rejects(call(program(HANGING), { signal: stop.signal }), (error) => error === reason);
  assert.deepEqual(children(), []);
});

test("a call that waits behind one that hangs can be aborted by itself", async () => {
  const options = { module: "/nowhere.so", token: "vault", keyLabel: "root", timeoutMs: 600_000 };
  const wrapper = pkcs11Wrapper({ ...options, readPin: () => Buffer.from("1234") }, program(HANGING));
  const first = wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, new AbortController().signal);
  const rejected = assert.rejects(first, { message: "the pkcs11 seal is closed" });
  const stop = new AbortController();
  const second = wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(second, { message: "enough" });
  await assert.rejects(wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, stop.signal), { message: "enough" });
  await wrapper.close();
  await rejected;
  await untilNoChildren();
});

test("closing ends a call that hangs", async () => {
  const options = { module: "/nowhere.so", token: "vault", keyLabel: "root", timeoutMs: 600_000 };
  const wrapper = pkcs11Wrapper({ ...options, readPin: () => Buffer.from("1234") }, program(HANGING));
  const running = wrapper.wrapKey(PAYLOAD.bytes, PAYLOAD.context, new AbortController().signal);
  const rejected = assert.rejects(running, { name: "SealUnavailable", message: "the pkcs11 seal is closed" });
  await wait(200);
  await wrapper.close();
  await rejected;
  await untilNoChildren();
});

const BROKEN: readonly (readonly [what: string, program: () => string, text: RegExp])[] = [
  ["crashes", () => program('process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000);'), /ended by SIGSEGV/],
  ["ends without an answer", () => program("process.exit(3)"), /ended with 3 before it answered/],
  ["is not there", () => join(folder, "nothing.cjs"), /ended with 1 before it answered/],
  ["answers with a part", () => answering(Buffer.from([0, 0, 0, 9, 1])), /nonsense/],
  ["answers with other than JSON", () => answering(Buffer.from([0, 0, 0, 1, 1])), /nonsense/],
  ["answers with null", () => answering(Buffer.from([0, 0, 0, 4, ...Buffer.from("null")])), /nonsense/],
  ["says done and gives nothing", () => answering(joinMessage({ result: "done", text: "" })), /nonsense/],
  ["floods", () => program('const fs = require("node:fs"); for (;;) fs.writeSync(3, Buffer.alloc(4096));'), /too much/],
  [
    "prints instead of answering",
    () => program('console.log("PIN?"); console.error("PIN?");'),
    /ended with 0 before it answered/,
  ],
];

for (const [what, make, text] of BROKEN) {
  test(`a process that ${what} makes the seal unavailable`, async () => {
    await assert.rejects(call(make()), (error) => {
      assert.ok(error instanceof SealUnavailable);
      assert.match(error.message, text);
      return true;
    });
    await untilNoChildren();
  });
}

test("messages come apart as they were joined, and a cut one is refused", () => {
  const parts = [Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(300, 7)];
  const message = joinMessage(ORDER, ...parts);
  const [head, ...rest] = splitMessage(message);
  assert.deepEqual(JSON.parse(String(head)), ORDER);
  assert.deepEqual(rest, parts);
  for (let length = 1; length < message.length; length += 1) {
    const cut = message.subarray(0, length);
    const isBetweenParts = [0, 1, 2].some((count) => {
      return length === joinMessage(ORDER, ...parts.slice(0, count)).length;
    });
    if (!isBetweenParts) assert.throws(() => splitMessage(cut), RangeError, `${length}`);
  }
});
