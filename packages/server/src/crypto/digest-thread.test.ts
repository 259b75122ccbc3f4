import assert from "node:assert/strict";
import { constants, createHash, generateKeyPairSync, verify } from "node:crypto";
import { after, test } from "node:test";
import { endDigestThread, onDigestThread } from "./digest-thread.ts";
import { carryOut, type SigningJob, withOwnMemory } from "./signing-job.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const MESSAGE = Buffer.from("a message");
const SCHEME = { hash: "sha256", padding: constants.RSA_PKCS1_PADDING } as const;

/** Each has bytes of its own, which the thread zeroes. */
function signing(message = MESSAGE): SigningJob {
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
  const unusable: SigningJob = { ...signing(), scheme: { hash: "sha256", padding: 99 } };
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

test("REQ-07 only a job's own bytes go to the thread, not what lies beside them in memory", () => {
  const memory = Buffer.alloc(4096, "secret");
  const inside = (length: number) => memory.subarray(1000, 1000 + length);
  const digest = withOwnMemory({ ...signing(), input: inside(32), signature: undefined });
  assert.deepEqual([digest.input.buffer.byteLength, digest.signature], [32, undefined]);
  const check = withOwnMemory({ ...signing(), input: inside(32), signature: inside(256) });
  assert.deepEqual([check.input.buffer.byteLength, check.signature.buffer.byteLength], [32, 256]);
  assert.deepEqual(Buffer.from(check.signature), Buffer.from(inside(256)));
  const ph = withOwnMemory({ ...signing(), scheme: { hash: "sha512", ed25519ph: inside(9) } });
  assert.equal(ph.kind === "digest" && ph.scheme.ed25519ph?.buffer.byteLength, 9);
  const { scheme } = withOwnMemory({ ...signing(), kind: "message", scheme: { hash: null, context: inside(5) } });
  assert.equal("context" in scheme && scheme.context?.buffer.byteLength, 5);
  assert.equal(withOwnMemory(signing()).scheme, SCHEME, "a scheme without bytes is the same for all");
});
