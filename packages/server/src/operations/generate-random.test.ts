import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import {
  GenerateRandomRequestSchema,
  type GenerateRandomResponse,
  Role,
  readOperations,
  SystemService,
} from "@bunkms/contract";
import { generateRandom } from "./generate-random.ts";

async function draw(bytes?: number): Promise<Uint8Array> {
  const request = create(GenerateRandomRequestSchema, bytes === undefined ? {} : { bytes });
  const { response, plan } = await generateRandom.handle({} as never, request as never);
  assert.equal(plan, undefined);
  return (response as GenerateRandomResponse).randomB64;
}

test("random bytes come in the length that was asked for, 32 by default", async () => {
  assert.equal((await draw()).length, 32);
  assert.equal((await draw(0)).length, 32);
  assert.equal((await draw(1)).length, 1);
  assert.equal((await draw(1024)).length, 1024);
});

test("two answers are not the same", async () => {
  const drawn = await Promise.all(Array.from({ length: 1000 }, () => draw(16)));
  assert.equal(new Set(drawn.map((bytes) => Buffer.from(bytes).toString("hex"))).size, 1000);
});

test("the contract refuses more than 1024 bytes", () => {
  const outcome = (bytes: number) =>
    createValidator().validate(GenerateRandomRequestSchema, create(GenerateRandomRequestSchema, { bytes })).kind;
  assert.equal(outcome(1024), "valid");
  assert.equal(outcome(1025), "invalid");
});

test("REQ-31: the audit log gets how many bytes were drawn, and none of them", () => {
  const spec = readOperations().find(({ method }) => method === SystemService.method.generateRandom);
  assert.equal(spec?.leastRole, Role.OPERATOR);
  assert.deepEqual(
    spec.auditRequest.map(({ field, hashed }) => [field.name, hashed]),
    [["bytes", false]],
  );
  assert.deepEqual(spec.auditResponse, []);
});
