import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  DecryptResponseSchema,
  EncryptBatchRequestSchema,
  EncryptRequestSchema,
  SignRequestSchema,
} from "@bunkms/contract";
import { wipeSecrets } from "./secret-fields.ts";

test("REQ-07: bytes that the contract marks as secret are zeroed, in a oneof and in lists too, and no others", () => {
  const plaintextB64 = Buffer.from("secret");
  wipeSecrets(DecryptResponseSchema, create(DecryptResponseSchema, { plaintextB64 }));
  assert.deepEqual(plaintextB64, Buffer.alloc(6));

  const value = Buffer.from("secret");
  const request = create(EncryptRequestSchema, {
    data: { case: "plaintextB64", value },
    binding: { case: "aadB64", value: Buffer.from("aad") },
  });
  wipeSecrets(EncryptRequestSchema, request);
  assert.deepEqual(value, Buffer.alloc(6));
  assert.deepEqual(request.binding.value, Buffer.from("aad"));

  const first = Buffer.from("secret");
  const batch = create(EncryptBatchRequestSchema, { items: [{ data: { case: "plaintextB64", value: first } }, {}] });
  wipeSecrets(EncryptBatchRequestSchema, batch);
  assert.deepEqual(first, Buffer.alloc(6));

  const message = create(SignRequestSchema, { input: { case: "messageB64", value: Buffer.from("public") } });
  wipeSecrets(SignRequestSchema, message);
  assert.deepEqual(message.input.value, Buffer.from("public"));
});
