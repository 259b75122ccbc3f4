import assert from "node:assert/strict";
import { test } from "node:test";
import { equals, fromJson, toBinary } from "@bufbuild/protobuf";
import { decodeRequest } from "../../packages/server/src/api/grpc-messages.ts";
import { NO_OBJECTS, operationsInOrder, sampleRequest } from "./sample-requests.ts";

test("each sample comes out of its bytes as it went in", () => {
  for (const operation of operationsInOrder()) {
    const { input } = operation.method;
    const request = fromJson(input, sampleRequest(operation, NO_OBJECTS));
    const read = decodeRequest(operation, Buffer.from(toBinary(input, request)));
    assert.ok(equals(input, read, request), operation.action);
  }
});
