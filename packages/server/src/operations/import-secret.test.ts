import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";

let calls: TestCalls;

beforeEach(async () => {
  calls = await testCalls();
});

const TIME = "2024-03-05T06:07:08.009Z";
const secret = (value: string, created_at: string = TIME, name = "db.password") => ({
  name,
  value_b64: Buffer.from(value).toString("base64"),
  created_at,
});

test("a secret comes with its time and is read back; the same again passes", async () => {
  const made = await calls.call("secrets.import", secret("hunter2"));
  assert.deepEqual(made, {
    ...{ name: "db.password", version: 1, created_at: TIME, updated_at: TIME },
    ...{ max_versions: 100, oldest_version: 1 },
  });
  assert.deepEqual(await calls.call("secrets.import", secret("hunter2")), made);
  const read = await calls.call("secrets.get", { name: "db.password" });
  assert.equal(read["value"], "hunter2");
  assert.equal(read["created_at"], TIME);
  await calls.call("secrets.import", secret("", TIME, "empty"));
});

test("an existing secret of another value or time, or with more versions, stays as it is", async () => {
  await calls.call("secrets.import", secret("hunter2"));
  assert.equal(await calls.code("secrets.import", secret("hunter3")), "already_exists");
  assert.equal(await calls.code("secrets.import", secret("hunter2", "2024-03-05T06:07:08.010Z")), "already_exists");
  await calls.call("secrets.put", { name: "db.password", value: "hunter2" });
  assert.equal(await calls.code("secrets.import", secret("hunter2")), "already_exists");
  assert.equal((await calls.call("secrets.get", { name: "db.password" }))["version"], 2);
});

test("times before 1970, in the future or absent are refused, and names as for every secret", async () => {
  const future = new Date(calls.now + 3_700_000).toISOString();
  for (const request of [
    secret("x", "1969-12-31T23:59:59Z"),
    secret("x", future),
    { name: "x", value_b64: "" },
    secret("x", TIME, "a b"),
    secret("x", TIME, ""),
    secret("x".repeat(524_289)),
  ]) {
    assert.equal(await calls.code("secrets.import", request), "invalid_request");
  }
});

test("of two that import at once, different values do not both pass", async () => {
  const codes = await Promise.allSettled([
    calls.call("secrets.import", secret("one")),
    calls.call("secrets.import", secret("two")),
  ]);
  assert.deepEqual(codes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});
