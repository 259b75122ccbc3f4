import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { assertRejects, noAbort } from "./conformance.ts";
import { envelopeSeal, type KeyWrapper } from "./envelope.ts";
import { SealFailure, SealUnavailable } from "./seal.ts";

const CONTEXT = Buffer.from("cluster, slot");

/** A service that keeps keys instead of encrypting them, and binds no context. */
function keepingWrapper(): KeyWrapper & { readonly kept: Buffer[]; handed: Buffer | undefined; closed: number } {
  const kept: Buffer[] = [];
  return {
    kind: "keeping",
    keyName: "a shelf",
    kept,
    handed: undefined,
    closed: 0,
    async wrapKey(key) {
      kept.push(Buffer.from(key));
      return Buffer.from(`key ${kept.length - 1}`);
    },
    async unwrapKey(wrapped) {
      const key = kept[Number(Buffer.from(wrapped).toString().slice(4))];
      if (key === undefined) throw new SealUnavailable("no such key");
      this.handed = Buffer.from(key);
      return this.handed;
    },
    async close() {
      this.closed += 1;
    },
  };
}

test("the service never sees the root key, and each wrapping has a slot key of its own", async () => {
  const wrapper = keepingWrapper();
  const seal = envelopeSeal(wrapper);
  const rootKey = randomBytes(32);
  const slots = [await seal.wrap(rootKey, CONTEXT, noAbort()), await seal.wrap(rootKey, CONTEXT, noAbort())];
  for (const slot of slots) {
    assert.deepEqual(await seal.unwrap(slot, CONTEXT, noAbort()), rootKey);
    assert.equal(slot.includes(rootKey), false);
  }
  const [first, second] = wrapper.kept as [Buffer, Buffer];
  assert.notDeepEqual(first, second);
  assert.equal(
    wrapper.kept.some((key) => key.equals(rootKey)),
    false,
  );
});

test("the context binds, also where the service binds nothing; what was changed or exchanged does not open", async () => {
  const seal = envelopeSeal(keepingWrapper());
  const slot = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  const other = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  await assertRejects(seal.unwrap(slot, Buffer.from("cluster, slot 2"), noAbort()), SealFailure, /another vault/);
  const exchanged = Buffer.concat([slot.subarray(0, 8), other.subarray(8)]);
  await assertRejects(seal.unwrap(exchanged, CONTEXT, noAbort()), SealFailure, /was changed/);
  for (let at = 8; at < slot.length; at += 1) {
    const changed = Buffer.from(slot);
    changed[at] = (changed[at] as number) ^ 0x80;
    await assert.rejects(seal.unwrap(changed, CONTEXT, noAbort()));
  }
});

test("malformed slots are refused before the service is asked", async () => {
  const wrapper = keepingWrapper();
  wrapper.unwrapKey = () => assert.fail("asked");
  const seal = envelopeSeal(wrapper);
  for (const bytes of [[], [1], [1, 0], [1, 0, 0], [1, 0, 0, 9, 9], [2, 0, 1, 9], [1, 0, 2, 9], [1, 0xff, 0xff, 9]]) {
    await assertRejects(
      seal.unwrap(Buffer.from(bytes), CONTEXT, noAbort()),
      SealFailure,
      /damaged, or of an unknown format/,
    );
  }
});

test("the slot key is zeroed, whatever happens", async () => {
  const wrapper = keepingWrapper();
  const seal = envelopeSeal(wrapper);
  const slot = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  await seal.unwrap(slot, CONTEXT, noAbort());
  assert.deepEqual(wrapper.handed, Buffer.alloc(32));
  await assert.rejects(seal.unwrap(slot, Buffer.from("x"), noAbort()));
  assert.deepEqual(wrapper.handed, Buffer.alloc(32));
  let given: Uint8Array = Buffer.of(1);
  wrapper.wrapKey = async (key) => {
    given = key;
    throw new SealUnavailable("down");
  };
  await assertRejects(seal.wrap(randomBytes(32), CONTEXT, noAbort()), SealUnavailable, /down/);
  assert.deepEqual(Buffer.from(given), Buffer.alloc(32));
});

test("a service that gives nothing, too much, or no slot key", async () => {
  const wrapper = keepingWrapper();
  const seal = envelopeSeal(wrapper);
  const slot = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  wrapper.unwrapKey = async () => Buffer.alloc(31);
  await assertRejects(seal.unwrap(slot, CONTEXT, noAbort()), SealFailure, /no slot key/);
  for (const length of [0, 0x10000]) {
    wrapper.wrapKey = async () => Buffer.alloc(length);
    await assertRejects(seal.wrap(randomBytes(32), CONTEXT, noAbort()), SealFailure, /wrapped into/);
  }
});

test("closing closes the service's", async () => {
  const wrapper = keepingWrapper();
  const seal = envelopeSeal(wrapper);
  assert.deepEqual([seal.kind, seal.keyName], ["keeping", "a shelf"]);
  await seal.close();
  assert.equal(wrapper.closed, 1);
});
