import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Keyring, KeyringSchema } from "@bunkms/contract/record";
import { wipeEncoderMemory } from "./encoder-memory.ts";

/** Buffers that writers have had, in the order in which they got them. */
function watchBuffers(): Uint8Array[] {
  const seen: Uint8Array[] = [];
  Object.defineProperty(BinaryWriter.prototype, "buffer", {
    configurable: true,
    get() {
      return this.watched;
    },
    set(buffer: Uint8Array) {
      seen.push(buffer);
      this.watched = buffer;
    },
  });
  return seen;
}

const keyring = (keys: number): Keyring =>
  create(KeyringSchema, {
    barrierKeys: Array.from({ length: keys }, (_, i) => ({ version: i + 1, key: new Uint8Array(32).fill(0xa5) })),
    baseKey: new Uint8Array(32).fill(0xb6),
  });

test("REQ-07 the encoder's buffers are zeroed, those that it outgrew too, and what it gives is whole", () => {
  const expected = [1, 4, 200].map((keys) => toBinary(KeyringSchema, keyring(keys)));
  wipeEncoderMemory();
  const seen = watchBuffers();
  for (const [i, keys] of [1, 4, 200].entries()) {
    const bytes = toBinary(KeyringSchema, keyring(keys));
    assert.deepEqual(bytes, expected[i]);
    assert.deepEqual(fromBinary(KeyringSchema, bytes), keyring(keys));
  }
  assert.ok(seen.length > 10, "a large message outgrows some");
  assert.ok(seen.every((buffer) => buffer.every((byte) => byte === 0)));
});
