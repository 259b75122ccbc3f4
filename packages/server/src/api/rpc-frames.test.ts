import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { encodeAnswer, FrameAssembly } from "./rpc-frames.ts";

/** A request as pkg/kmsrpc sends it. */
function frame(id: bigint, command: number, payload: string, length?: number): Buffer {
  const body = Buffer.from(payload);
  const bytes = Buffer.alloc(17 + body.length);
  bytes.writeUInt32LE(length ?? 13 + body.length, 0);
  bytes.writeBigUInt64LE(id, 4);
  bytes.writeUInt8(command, 12);
  bytes.writeUInt32LE(body.length, 13);
  body.copy(bytes, 17);
  return bytes;
}

const plain = (requests: Iterable<{ id: bigint; command: number; payload: Buffer }>) =>
  [...requests].map(({ id, command, payload }) => [id, command, payload.toString()]);

const isMalformed = (error: unknown): boolean => error instanceof BunkmsError && error.code === "invalid_request";

test("requests are put together from whatever pieces they come in", () => {
  const bytes = Buffer.concat([
    frame(1n, 1, '{"name":"a"}'),
    frame(2n ** 64n - 1n, 255, ""),
    frame(0n, 2, "x".repeat(3000)),
  ]);
  const expected = [
    [1n, 1, '{"name":"a"}'],
    [2n ** 64n - 1n, 255, ""],
    [0n, 2, "x".repeat(3000)],
  ];
  for (const size of [1, 2, 3, 5, 16, 17, 18, 1000, bytes.length]) {
    const assembly = new FrameAssembly();
    const found = [];
    for (let at = 0; at < bytes.length; at += size) {
      found.push(...plain(assembly.add(bytes.subarray(at, at + size))));
      const isBetween = [29, 46, bytes.length].includes(Math.min(at + size, bytes.length));
      assert.equal(assembly.isAmidst, !isBetween, `${at + size}`);
    }
    assert.deepEqual(found, expected, `in pieces of ${size}`);
  }
});

test("what is before a malformed frame is given, and then nothing more", () => {
  for (const bad of [0, 1, 12, 13 + 1024 * 1024 + 1, 16 * 1024 * 1024, 0xffffffff]) {
    const requests = new FrameAssembly().add(Buffer.concat([frame(7n, 1, "{}"), frame(8n, 1, "{}", bad)]));
    assert.equal(requests.next().value?.id, 7n);
    assert.throws(() => requests.next(), isMalformed, String(bad));
  }
  for (const payloadLength of [0, 1, 3, 0xffffffff]) {
    const bytes = frame(9n, 1, "{}");
    bytes.writeUInt32LE(payloadLength, 13);
    assert.throws(() => new FrameAssembly().add(bytes).next(), isMalformed, String(payloadLength));
  }
});

test("the largest frame is one of 1 MiB of payload", () => {
  const [request] = new FrameAssembly().add(frame(1n, 2, "x".repeat(1024 * 1024)));
  assert.equal(request?.payload.length, 1024 * 1024);
});

test("HTTP that is sent to this port, by a page in a browser for example, is no frame", () => {
  for (const text of [
    "GET / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\n",
    "PRI * HTTP/2.0\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01",
  ]) {
    assert.throws(() => new FrameAssembly().add(Buffer.from(text, "latin1")).next(), isMalformed, text);
  }
});

test("an answer has its request's id, a status and its payload's length", () => {
  const answer = encodeAnswer(2n ** 63n, false, { error: "é" });
  const payload = Buffer.from('{"error":"é"}').toString("hex");
  assert.equal(answer.toString("hex"), `1b000000${"0000000000000080"}01${"0e000000"}${payload}`);
  assert.equal(encodeAnswer(1n, true, {}).readUInt8(12), 0);
});
