import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError, ERRORS, type ErrorCode } from "@bunkms/contract";
import { grpcStatus } from "./grpc-status.ts";

function details(code: ErrorCode): Buffer {
  const [bytes] = grpcStatus(new BunkmsError(code), "r-1").metadata.get("grpc-status-details-bin");
  assert.ok(bytes instanceof Buffer);
  return bytes;
}

test("an error is the status that Go's google.golang.org/grpc makes of the same details", () => {
  for (const [code, status] of [
    [
      "shutting_down",
      "080e121b74686520736572766572206973207368757474696e6720646f776e" +
        "1a410a29747970652e676f6f676c65617069732e636f6d2f62756e6b6d732e76312e4572726f7244657461696c" +
        "12140a0d7368757474696e675f646f776e1203722d31" +
        "1a300a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f" +
        "12040a020801",
    ],
    [
      "not_found",
      "080512197468657265206973206e6f2073756368207265736f75726365" +
        "1a3d0a29747970652e676f6f676c65617069732e636f6d2f62756e6b6d732e76312e4572726f7244657461696c" +
        "12100a096e6f745f666f756e641203722d31",
    ],
  ] as const) {
    assert.equal(details(code).toString("hex"), status);
  }
});

test("what may succeed later, and nothing else, says when to try again", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    assert.equal(details(code).includes("google.rpc.RetryInfo"), ERRORS[code].retryable, code);
  }
});
