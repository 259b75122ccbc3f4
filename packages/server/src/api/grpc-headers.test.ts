import assert from "node:assert/strict";
import { test } from "node:test";
import type * as grpc from "@grpc/grpc-js";
import { tellAllAuthorizations } from "./grpc-headers.ts";

test("a grpc-js that takes calls otherwise makes no server", () => {
  assert.throws(() => tellAllAuthorizations({} as grpc.Server), /@grpc\/grpc-js has no _streamHandler any more/);
});
