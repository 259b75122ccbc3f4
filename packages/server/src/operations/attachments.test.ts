import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { testSeal } from "../boot/test-vault.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { PART_LENGTH } from "../vault/attachments.ts";
import { addRequest, DIGEST, finishRequest, PARTS, WHOLE } from "./test-attachment.ts";

let calls: TestCalls;

beforeEach(async () => {
  calls = await testCalls();
});

test("an attachment is added in parts, finished with its digest, listed and read back", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  const grown = await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  assert.equal(grown["size"], WHOLE.length);
  assert.equal(grown["finished_at"], undefined);
  const finished = await calls.call("attachments.finish", finishRequest());
  assert.equal(finished["sha256"], DIGEST);
  const { attachments } = await calls.call("attachments.list", {});
  assert.deepEqual(attachments, [finished]);
  const read = await Promise.all([0, 1].map((part) => calls.call("attachments.get_part", { name: "old.log", part })));
  const bytes = Buffer.concat(read.map((part) => Buffer.from(part["data_b64"] as string, "base64")));
  assert.ok(bytes.equals(WHOLE));
  assert.equal(await calls.code("attachments.get_part", { name: "old.log", part: 2 }), "not_found");
});

test("what was interrupted goes on: the same part and the same end pass, and change nothing", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  const first = await calls.call("attachments.finish", finishRequest());
  assert.deepEqual(await calls.call("attachments.finish", finishRequest()), first);
  assert.deepEqual(await calls.call("attachments.add_part", addRequest(0, PARTS[0])), first);
});

test("nothing is replaced, and no part comes before or after its turn", async () => {
  assert.equal(await calls.code("attachments.add_part", addRequest(1, PARTS[0])), "invalid_request");
  assert.equal(await calls.code("attachments.finish", finishRequest()), "not_found");
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  assert.equal(await calls.code("attachments.add_part", addRequest(0, PARTS[0])), "already_exists");
  assert.equal(await calls.code("attachments.add_part", addRequest(1, PARTS[1])), "already_exists");
  assert.equal(await calls.code("attachments.add_part", addRequest(2, PARTS[1])), "invalid_request");
  assert.equal(await calls.code("attachments.add_part", addRequest(512, PARTS[1])), "invalid_request");
  assert.equal(await calls.code("attachments.add_part", addRequest(0, Buffer.alloc(0), "other")), "invalid_request");
});

test("an attachment is not finished with another size or digest, and not changed afterwards", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  for (const wrong of [
    finishRequest(PART_LENGTH),
    finishRequest(PART_LENGTH - 1),
    finishRequest(PART_LENGTH, "0".repeat(64)),
  ]) {
    assert.equal(await calls.code("attachments.finish", wrong), "invalid_request");
  }
  const own = finishRequest(PART_LENGTH, createHash("sha256").update(PARTS[0]).digest("hex"));
  await calls.call("attachments.finish", own);
  assert.equal(await calls.code("attachments.add_part", addRequest(1, PARTS[1])), "already_exists");
  assert.equal(await calls.code("attachments.finish", finishRequest()), "invalid_request");
});

test("of two that add the same next part at once, both pass and one is written", async () => {
  await Promise.all([1, 2, 3].map(() => calls.call("attachments.add_part", addRequest(0, PARTS[0]))));
  const { attachments } = await calls.call("attachments.list", {});
  assert.equal((attachments as { size: number }[])[0]?.size, PART_LENGTH);
});

test("the log has name, part, size and digest, and never the content", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  const sha256 = createHash("sha256").update(PARTS[1]).digest("hex");
  await calls.call("attachments.finish", finishRequest(PARTS[1].length, sha256));
  const { entries } = await calls.call("audit.list", { operation: "attachments.finish" });
  const [entry] = entries as { request: object; resource: string }[];
  assert.equal(entry?.resource, "attachment/old.log");
  assert.deepEqual(entry?.request, { name: "old.log", size: "1000", sha256 });
  assert.ok(!JSON.stringify(await calls.call("audit.list", {})).includes("an entry of another log"));
});

test("attachments are there after a restart, finished or not, and go on", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-attachments-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const seal = testSeal();
  const first = await testCalls(await openSqliteStore(folder), seal);
  await first.call("attachments.add_part", addRequest(0, PARTS[0]));
  await first.call("attachments.add_part", addRequest(0, PARTS[1], "other.log"));
  const { token } = await first.call("tokens.create", { display_name: "again", role: "admin" });
  await first.store.close();
  const again = await testCalls(await openSqliteStore(folder), seal, token as string);
  t.after(() => again.store.close());
  const { attachments } = await again.call("attachments.list", {});
  assert.deepEqual(
    (attachments as { name: string; size: number }[]).map(({ name, size }) => [name, size]),
    [
      ["old.log", PART_LENGTH],
      ["other.log", PARTS[1].length],
    ],
  );
  await again.call("attachments.add_part", addRequest(1, PARTS[1]));
  assert.equal((await again.call("attachments.finish", finishRequest()))["sha256"], DIGEST);
});
