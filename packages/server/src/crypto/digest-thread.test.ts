import assert from "node:assert/strict";
import { constants, createHash, generateKeyPairSync, verify } from "node:crypto";
import { after, test } from "node:test";
import { type DigestJob, endDigestThread, onDigestThread, withOwnMemory } from "./digest-thread.ts";
import { carryOut, type SigningJob } from "./signing-job.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const MESSAGE = Buffer.from("a message");
const SCHEME = { hash: "sha256", padding: constants.RSA_PKCS1_PADDING } as const;

/** Each has bytes of its own, which the thread zeroes. */
function signing(message = MESSAGE): SigningJob & DigestJob {
  return { kind: "digest", key: privateKey, input: createHash("sha256").update(message).digest(), scheme: SCHEME };
}

after(endDigestThread);

test("what the thread signs is what this one signs, and it checks what this one made", async () => {
  const job = signing();
  const signature = await onDigestThread(job);
  assert.ok(signature instanceof Buffer);
  assert.deepEqual(signature, carryOut(job));
  assert.ok(verify("sha256", MESSAGE, publicKey, signature));
  const check = { ...job, key: publicKey, signature };
  assert.equal(await onDigestThread(check), true);
  assert.equal(await onDigestThread({ ...check, signature: Buffer.alloc(signature.length, 1) }), false);
});

test("jobs that come together each get their own result, and one that fails keeps no other from its own", async () => {
  const messages = Array.from({ length: 20 }, (_, i) => Buffer.from(`message ${i}`));
  const unusable: DigestJob = { ...signing(), scheme: { hash: "sha256", padding: 99 } };
  const jobs = messages.map((message, i) => onDigestThread(i === 7 ? unusable : signing(message)));
  const results = await Promise.allSettled(jobs);
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected") {
      assert.equal(i, 7);
      assert.equal((result.reason as Error).message, "OpenSSL refused to sign or verify a digest");
    } else {
      assert.ok(verify("sha256", messages[i] as Buffer, publicKey, result.value as Buffer));
    }
  }
});

test("a thread that ends does what it was asked before, and the next job begins another", async () => {
  const asked = [onDigestThread(signing()), onDigestThread(signing())];
  endDigestThread();
  const later = onDigestThread(signing());
  const [first, ...others] = await Promise.all([...asked, later]);
  assert.ok(verify("sha256", MESSAGE, publicKey, first as Buffer));
  assert.deepEqual(others, [first, first]);
});

test("REQ-07 only a job's own bytes go to the thread, not what lies beside them in memory, and its caller's stay", () => {
  const memory = Buffer.alloc(4096, "secret");
  const inside = (length: number) => memory.subarray(1000, 1000 + length);
  const made = withOwnMemory({ ...signing(), input: inside(32), signature: undefined });
  assert.deepEqual([made.message.input.buffer.byteLength, made.message.signature], [32, undefined]);
  assert.deepEqual(made.transferred, [made.message.input.buffer]);
  const { message, transferred } = withOwnMemory({ ...signing(), input: inside(32), signature: inside(256) });
  assert.deepEqual(
    transferred.map((buffer) => buffer.byteLength),
    [32, 256],
  );
  assert.deepEqual(transferred, [message.input.buffer, message.signature?.buffer]);
  assert.deepEqual(Buffer.from(message.signature ?? []), Buffer.from(inside(256)));
});
