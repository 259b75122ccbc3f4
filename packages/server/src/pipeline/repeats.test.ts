import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  CreateKeyRequestSchema,
  KeySchema,
  type OperationSpec,
  PutSecretRequestSchema,
  RotateKeyRequestSchema,
  readOperations,
} from "@bunkms/contract";
import { testCalls } from "../boot/test-calls.ts";
import type { Idempotency } from "../vault/idempotency.ts";
import { Repeat } from "./repeats.ts";

const NOW = 1_790_000_000_000;
const CALL = { caller: "c0ffee", key: "key-1" };

const operation = (action: string): OperationSpec =>
  readOperations().find((spec) => spec.action === action) ?? assert.fail();

async function carriedOut(action: string, request: Message, response: Message) {
  const { unsealed } = await testCalls();
  const { idempotency, records } = unsealed.vault;
  const first = new Repeat(idempotency, operation(action), CALL, request);
  const { changes } = first.remembered(undefined, response, NOW);
  await records.commit(changes, { path: "test/1", payload: Buffer.from("batch") });
  return (again: Message) => new Repeat(idempotency, operation(action), CALL, again).answer(NOW);
}

test("a call is known again whatever order its maps are in", async () => {
  const made = create(CreateKeyRequestSchema, { name: "orders", tags: { team: "a", stage: "b", cost: "c" } });
  const answerTo = await carriedOut("keys.create", made, create(KeySchema, { name: "orders" }));
  // As a decoder leaves it: entries in the order in which they came.
  const tags = { cost: "c", team: "a", stage: "b" };
  const again = fromBinary(
    CreateKeyRequestSchema,
    toBinary(CreateKeyRequestSchema, create(CreateKeyRequestSchema, { name: "orders", tags })),
  );
  assert.equal(((await answerTo(again)) as { name?: string } | undefined)?.name, "orders");
  assert.deepEqual(Object.keys(again.tags), Object.keys(tags), "the request stays as it was");
  const others = create(CreateKeyRequestSchema, { name: "orders", tags: { team: "b", stage: "a", cost: "c" } });
  await assert.rejects(answerTo(others), { code: "idempotency_mismatch" });
});

test("what a request's digest is made of does not stay in memory", async () => {
  const { unsealed } = await testCalls();
  const taken: Uint8Array[] = [];
  const watched = {
    digest(action: string, request: Uint8Array) {
      taken.push(request);
      assert.ok(Buffer.from(request).includes("a secret value"));
      return unsealed.vault.idempotency.digest(action, request);
    },
  } as Pick<Idempotency, "digest"> as Idempotency;
  const request = create(PutSecretRequestSchema, {
    name: "s",
    data: { case: "valueB64", value: Buffer.from("a secret value") },
  });
  new Repeat(watched, operation("secrets.put"), CALL, request);
  assert.equal(taken.length, 1);
  assert.ok(taken[0]?.every((byte) => byte === 0));
  assert.equal(Buffer.from(request.data.value ?? "").toString(), "a secret value");
});

test("an answer that is too long to be kept is none that could not be recorded: that it was done is", async () => {
  const request = create(RotateKeyRequestSchema, { name: "old" });
  const versions = Array.from({ length: 20_000 }, (_, i) => ({ version: i + 1, publicKeyPem: "x".repeat(500) }));
  const answerTo = await carriedOut("keys.rotate", request, create(KeySchema, { name: "old", versions }));
  await assert.rejects(answerTo(request), { code: "already_done" });
});

test("a repetition that is overtaken by what makes caches stale is tried again, as any call is", async () => {
  const calls = await testCalls();
  const create = () => calls.call("keys.create", { name: "once" }, { idempotencyKey: "once" });
  const first = await create();
  calls.unsealed.committer.refresh();
  assert.deepEqual(await create(), first);
  assert.deepEqual(calls.failures, []);
});
