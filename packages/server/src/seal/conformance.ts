/**
 * What every seal of a service must do, whatever the service. A seal's test calls {@link sealConformance} and adds what is
 * its own.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";

const CONTEXT = Buffer.from("cluster 1, slot 1");

export interface ConformanceOptions {
  /** Opens the seal with the service's key. The suite closes it. */
  readonly open: () => Promise<Seal>;
  /** The same seal and service with another key. */
  readonly openOther: () => Promise<Seal>;
  /** Tells two services of one kind apart in the output. */
  readonly at?: string;
}

/** A signal that nobody aborts. */
export function noAbort(): AbortSignal {
  return new AbortController().signal;
}

/** Wraps a root key, opens it, and compares. */
export async function assertOpens(seal: Seal): Promise<void> {
  const rootKey = randomBytes(32);
  const wrapped = await seal.wrap(rootKey, CONTEXT, noAbort());
  assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
}

/** What wrapping fails with, which must be of this class; its text says `text`. */
export async function assertUnavailable(seal: Seal, text: RegExp): Promise<SealUnavailable> {
  return assertRejects(seal.wrap(randomBytes(32), CONTEXT, noAbort()), SealUnavailable, text);
}

/** That a promise fails with this class and text, and that nothing of it, down to its causes, holds one of the secrets. */
export async function assertRejects<T extends Error>(
  promise: Promise<unknown>,
  type: abstract new (message: string) => T,
  text: RegExp,
  secrets: readonly string[] = [],
): Promise<T> {
  const error = await promise.then(
    () => assert.fail("it was expected to fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof type, `not a ${type.name}: ${String(error)}`);
  assert.match(error.message, text);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const all = `${cause.message} ${cause.stack} ${JSON.stringify(cause)}`;
    assert.deepEqual(
      secrets.filter((secret) => all.includes(secret)),
      [],
    );
  }
  return error;
}

/** Defines the suite for one seal. */
export function sealConformance(name: string, { open, openOther, at }: ConformanceOptions): void {
  const withSeal = (title: string, body: (seal: Seal) => Promise<void>) =>
    test(title, async () => {
      const seal = await open();
      try {
        await body(seal);
      } finally {
        await seal.close();
      }
    });

  describe(`the ${name} seal${at === undefined ? "" : ` at ${at}`}`, () => {
    withSeal("says its kind and its key", async (seal) => {
      assert.equal(seal.kind, name);
      assert.ok(seal.keyName.length > 0 && seal.keyName.length <= 256);
    });

    withSeal("opens what it wrapped, which does not show the root key and differs each time", async (seal) => {
      await assertOpens(seal);
      const rootKey = randomBytes(32);
      const [first, second] = await Promise.all([
        seal.wrap(rootKey, CONTEXT, noAbort()),
        seal.wrap(rootKey, CONTEXT, noAbort()),
      ]);
      assert.notDeepEqual(first, second);
      assert.ok(first.length <= 8192);
      assert.equal(first.includes(rootKey), false);
    });

    withSeal("opens what it wrapped before it was closed and opened again", async (seal) => {
      const rootKey = randomBytes(32);
      const wrapped = await seal.wrap(rootKey, CONTEXT, noAbort());
      const again = await open();
      assert.deepEqual(await again.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
      await again.close();
    });

    withSeal("refuses another context, that of another vault or slot", async (seal) => {
      const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
      await assertRejects(seal.unwrap(wrapped, Buffer.from("cluster 2, slot 1"), noAbort()), SealFailure, /./);
    });

    withSeal("refuses what was changed, wherever, and what was cut", async (seal) => {
      const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
      for (const at of [0, 1, 4, 6, wrapped.length >> 1, wrapped.length - 40, wrapped.length - 1]) {
        const changed = Buffer.from(wrapped);
        changed[at] = (changed[at] as number) ^ 1;
        await assertRefuses(seal, changed);
      }
      for (const length of [0, 1, 3, 10, wrapped.length >> 1, wrapped.length - 1]) {
        await assertRefuses(seal, wrapped.subarray(0, length));
      }
    });

    withSeal("refuses what another key wrapped, when the names are exchanged too", async (seal) => {
      const other = await openOther();
      const foreign = await other.wrap(randomBytes(32), CONTEXT, noAbort());
      const own = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
      await other.close();
      const renamed = withNameOf(own, foreign);
      await assertRefuses(seal, renamed);
    });

    withSeal("ends with the signal's reason when it is aborted, before and during a call", async (seal) => {
      const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
      const reason = new Error("nobody waits any more");
      for (const abort of [
        (it: AbortController) => it.abort(reason),
        (it: AbortController) => setImmediate(() => it.abort(reason)),
      ]) {
        for (const call of [
          (signal: AbortSignal) => seal.wrap(randomBytes(32), CONTEXT, signal),
          (signal: AbortSignal) => seal.unwrap(wrapped, CONTEXT, signal),
        ]) {
          const controller = new AbortController();
          abort(controller);
          await assert.rejects(call(controller.signal), (error) => error === reason);
        }
      }
    });
  });
}

/** That bytes do not open. A service that looks for the key which changed bytes name may not find it, so both errors are right. */
async function assertRefuses(seal: Seal, bytes: Uint8Array): Promise<void> {
  await assert.rejects(
    seal.unwrap(bytes, CONTEXT, noAbort()),
    (error) => error instanceof SealFailure || error instanceof SealUnavailable,
  );
}

/** The wrapped slot key of `foreign` under the recorded name of `own`: envelope header, name's length, name, ciphertext. */
function withNameOf(own: Buffer, foreign: Buffer): Buffer {
  const parts = (slot: Buffer) => {
    const end = 3 + slot.readUInt16BE(1);
    const nameEnd = 5 + slot.readUInt16BE(3);
    return { name: slot.subarray(3, nameEnd), ciphertext: slot.subarray(nameEnd, end), sealed: slot.subarray(end) };
  };
  const { ciphertext, sealed } = parts(foreign);
  const wrappedKey = Buffer.concat([parts(own).name, ciphertext]);
  const header = Buffer.of(1, wrappedKey.length >> 8, wrappedKey.length & 0xff);
  return Buffer.concat([header, wrappedKey, sealed]);
}
