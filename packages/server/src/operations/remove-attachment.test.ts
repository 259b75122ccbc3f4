import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { FaultyStore, testSeal } from "../boot/test-vault.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { RevisionConflict, type StoredRecord, StoreUnavailable } from "../store/store.ts";
import { RecordDamaged } from "../vault/record.ts";
import { addRequest, DIGEST, finishRequest, PARTS, WHOLE } from "./test-attachment.ts";

let calls: TestCalls;

beforeEach(async () => {
  calls = await testCalls();
});

/** How many records there are of parts, and of removals that are under way. */
async function leftOf({ store }: TestCalls): Promise<readonly [parts: number, removals: number]> {
  const [parts, removals] = await Promise.all(
    (["attachment-part", "attachment-removal"] as const).map((table) => store.list(table, { limit: 100 })),
  );
  return [parts?.length ?? 0, removals?.length ?? 0];
}

async function removeAllParts({ unsealed }: TestCalls): Promise<void> {
  while (await unsealed.vault.attachments.removeParts()) {
    // There is more.
  }
}

test("an attachment is removed, finished or not, and its parts leave the store", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  const finished = await calls.call("attachments.finish", finishRequest());
  const begun = await calls.call("attachments.add_part", addRequest(0, PARTS[1], "begun.log"));
  await calls.call("attachments.add_part", addRequest(0, PARTS[1], "kept.log"));
  assert.deepEqual(await calls.call("attachments.remove", { name: "old.log" }), finished);
  assert.deepEqual(await calls.call("attachments.remove", { name: "begun.log" }), begun);
  const { attachments } = await calls.call("attachments.list", {});
  assert.deepEqual(
    (attachments as { name: string }[]).map(({ name }) => name),
    ["kept.log"],
  );
  assert.equal(await calls.code("attachments.get_part", { name: "old.log", part: 0 }), "not_found");
  assert.equal(await calls.code("attachments.finish", finishRequest()), "not_found");
  assert.deepEqual(await leftOf(calls), [4, 2]);
  await removeAllParts(calls);
  assert.deepEqual(await leftOf(calls), [1, 0]);
  assert.equal((await calls.call("attachments.get_part", { name: "kept.log", part: 0 }))["size"], PARTS[1].length);
});

test("nothing is removed that is not there, nor twice, and no name is taken that is none", async () => {
  assert.equal(await calls.code("attachments.remove", { name: "old.log" }), "not_found");
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  const codes = await Promise.all([1, 2, 3].map(() => calls.code("attachments.remove", { name: "old.log" })));
  assert.deepEqual(codes.toSorted(), ["not_found", "not_found", "ok"]);
  for (const name of ["", ".", "../old.log", "a/b", "x".repeat(257), "old.log\n", "ö"]) {
    assert.equal(await calls.code("attachments.remove", { name }), "invalid_request", name);
  }
});

test("a removal under a name of its own is answered again, and takes no other attachment of the name", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  const remove = () => calls.call("attachments.remove", { name: "old.log" }, { idempotencyKey: "once" });
  const first = await remove();
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  assert.deepEqual(await remove(), first);
  assert.equal(((await calls.call("attachments.list", {}))["attachments"] as unknown[]).length, 1);
});

test("the removal is in the log as critical, with name, size and digest, and so is one that is refused", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  const sha256 = createHash("sha256").update(PARTS[1]).digest("hex");
  await calls.call("attachments.finish", finishRequest(PARTS[1].length, sha256));
  await calls.call("attachments.remove", { name: "old.log" });
  await calls.code("attachments.remove", { name: "old.log" });
  const { entries } = await calls.call("audit.list", { operation: "attachments.remove" });
  const [refused, done] = entries as Record<string, unknown>[];
  assert.deepEqual([refused?.["outcome"], refused?.["critical"]], ["not_found", true]);
  assert.deepEqual([done?.["outcome"], done?.["critical"], done?.["resource"]], ["ok", true, "attachment/old.log"]);
  assert.deepEqual(done?.["request"], { name: "old.log" });
  assert.deepEqual(done?.["response"], { size: "1000", sha256 });
});

test("a legal hold, of whatever entries, keeps all attachments until it is released", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  await calls.call("audit.set_hold", { name: "case-7", from: "0", until: "1" });
  await assert.rejects(calls.call("attachments.remove", { name: "old.log" }), {
    code: "audit_hold",
    message: /legal hold case-7/,
  });
  assert.equal(await calls.code("attachments.remove", { name: "other.log" }), "not_found");
  assert.equal((await calls.call("attachments.get_part", { name: "old.log", part: 0 }))["size"], PARTS[1].length);
  await calls.call("audit.release_hold", { name: "case-7" });
  assert.equal(await calls.code("attachments.remove", { name: "old.log" }), "ok");
});

test("a removal and a hold at once: whichever the log has first counts", async () => {
  const outcomes = new Set<string>();
  for (let round = 0; round < 20; round++) {
    await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
    const hold = () => calls.call("audit.set_hold", { name: "case-7" });
    const remove = () => calls.code("attachments.remove", { name: "old.log" });
    const [first, second] = round % 2 === 0 ? [hold, remove] : [remove, hold];
    const ends = await Promise.all([first(), second()]);
    const code = ends.find((end) => typeof end === "string") as string;
    const { entries } = await calls.call("audit.list", { page_size: 2 });
    const done = (entries as { operation: string; outcome: string }[]).map((one) => `${one.operation} ${one.outcome}`);
    const expected = ["attachments.remove ok", "audit.set_hold ok"];
    assert.deepEqual(done, code === "ok" ? expected.toReversed() : ["attachments.remove audit_hold", expected[1]]);
    outcomes.add(code);
    await calls.call("audit.release_hold", { name: "case-7" });
    await calls.code("attachments.remove", { name: "old.log" });
  }
  assert.ok(outcomes.has("ok"));
});

test("what was worked out while there was no hold is not applied once there is one", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[1]));
  const { attachments, retention } = calls.unsealed.vault;
  const late = retention.unlessHeld(await attachments.remove("old.log"));
  await calls.call("audit.set_hold", { name: "case-7" });
  assert.equal(late.holds?.(), false);
  await assert.rejects(calls.unsealed.committer.submit(Buffer.from("{}"), late), RevisionConflict);
  assert.deepEqual(await leftOf(calls), [1, 0]);
});

test("of a part and a removal at once nothing is left over: either the part begins anew, or it is removed as well", async () => {
  for (const isLater of [false, true]) {
    await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
    const grow = () => calls.code("attachments.add_part", addRequest(1, PARTS[1]));
    const remove = () => calls.code("attachments.remove", { name: "old.log" });
    const codes = await Promise.all(isLater ? [grow(), remove()] : [remove(), grow()]);
    assert.deepEqual(codes, isLater ? ["ok", "ok"] : ["ok", "invalid_request"]);
    await removeAllParts(calls);
    assert.deepEqual(await leftOf(calls), [0, 0]);
  }
});

test("a part that was worked out before the removal is not added after it, nor a removal applied that knows too few parts", async () => {
  const { committer, vault } = calls.unsealed;
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  const [part, removal] = [
    await vault.attachments.addPart("old.log", 1, PARTS[1], calls.now),
    await vault.attachments.remove("old.log"),
  ];
  const ends = await Promise.allSettled([part, removal].map((plan) => committer.submit(Buffer.from("{}"), plan)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  const again = [
    await vault.attachments.remove("old.log"),
    await vault.attachments.finish("old.log", WHOLE.length, DIGEST, calls.now),
  ];
  const later = await Promise.allSettled(again.map((plan) => committer.submit(Buffer.from("{}"), plan)));
  assert.deepEqual(
    later.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  await removeAllParts(calls);
  assert.deepEqual(await leftOf(calls), [0, 0]);
});

test("a name is free while the parts of its former attachment leave, and these are never the new one's", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  await calls.call("attachments.remove", { name: "old.log" });
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await removeAllParts(calls);
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  assert.equal((await calls.call("attachments.finish", finishRequest()))["sha256"], DIGEST);
});

test("a removal of many parts goes on after a restart wherever it was interrupted, also under another barrier key", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-attachments-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const seal = testSeal();
  let open = await testCalls(await openSqliteStore(folder), seal);
  t.after(() => open.store.close());
  for (let part = 0; part < 9; part++) {
    await open.call("attachments.add_part", addRequest(part, PARTS[0]));
  }
  await open.call("attachments.remove", { name: "old.log" });
  const { token } = await open.call("tokens.create", { display_name: "again", role: "admin" });
  await open.call("seals.rotate_barrier", {});
  while ((await open.call("seals.get_barrier_rotation", {}))["in_progress"] === true) {
    await setTimeout(5);
  }
  for (const left of [
    [9, 1],
    [5, 1],
    [1, 1],
    [0, 0],
  ]) {
    assert.deepEqual(await leftOf(open), left);
    await open.store.close();
    open = await testCalls(await openSqliteStore(folder), seal, token as string);
    assert.deepEqual((await open.call("attachments.list", {}))["attachments"], []);
    assert.equal(await open.unsealed.vault.attachments.removeParts(), left[1] === 1);
  }
  assert.deepEqual(open.failures, []);
});

test("when the store fails, the attachment is there whole, or what removes its parts is tried again", async () => {
  const store = new FaultyStore();
  const faulty = await testCalls(store);
  const fail = () => {
    throw new StoreUnavailable("no space left on the disk");
  };
  await faulty.call("attachments.add_part", addRequest(0, PARTS[1]));
  store.beforeCommit = fail;
  assert.equal(await faulty.code("attachments.remove", { name: "old.log" }), "audit_unavailable");
  store.beforeCommit = () => {};
  assert.equal((await faulty.call("attachments.get_part", { name: "old.log", part: 0 }))["size"], PARTS[1].length);
  await faulty.call("attachments.remove", { name: "old.log" });
  store.beforeCommit = fail;
  await assert.rejects(faulty.unsealed.vault.attachments.removeParts(), StoreUnavailable);
  store.beforeCommit = () => {};
  assert.deepEqual(await leftOf(faulty), [1, 1]);
  await removeAllParts(faulty);
  assert.deepEqual(await leftOf(faulty), [0, 0]);
});

test("a removal that the store hides, of the attachment or of its parts, was one all the same", async () => {
  const store = new FaultyStore();
  const faulty = await testCalls(store);
  for (let part = 0; part < 5; part++) {
    await faulty.call("attachments.add_part", addRequest(part, PARTS[0]));
  }
  store.afterCommit = () => {
    throw new StoreUnavailable("the disk does not answer");
  };
  assert.equal(await faulty.code("attachments.remove", { name: "old.log" }), "audit_unavailable");
  assert.deepEqual(await leftOf(faulty), [5, 1]);
  await assert.rejects(faulty.unsealed.vault.attachments.removeParts(), StoreUnavailable);
  assert.deepEqual(await leftOf(faulty), [1, 1]);
  store.afterCommit = () => {};
  assert.equal(await faulty.code("attachments.remove", { name: "old.log" }), "not_found");
  await removeAllParts(faulty);
  assert.deepEqual(await leftOf(faulty), [0, 0]);
  assert.deepEqual((await faulty.call("attachments.list", {}))["attachments"], []);
});

test("a damaged part does not keep the others from being removed", async () => {
  await calls.call("attachments.add_part", addRequest(0, PARTS[0]));
  await calls.call("attachments.add_part", addRequest(1, PARTS[1]));
  const [part] = await calls.store.list("attachment-part", { limit: 1 });
  const { path, revision } = part as StoredRecord;
  await calls.store.commit([{ table: "attachment-part", path, value: Buffer.from("damaged"), expected: revision }]);
  await calls.call("attachments.remove", { name: "old.log" });
  await removeAllParts(calls);
  assert.deepEqual(await leftOf(calls), [0, 0]);
});

test("a damaged note of a removal does not keep other removals from going on, and is told of each time", async () => {
  for (const name of ["a", "b", "c"]) {
    await calls.call("attachments.add_part", addRequest(0, PARTS[1], name));
    await calls.call("attachments.remove", { name });
  }
  const [, { path, revision }] = (await calls.store.list("attachment-removal", { limit: 2 })) as [
    unknown,
    StoredRecord,
  ];
  await calls.store.commit([{ table: "attachment-removal", path, value: Buffer.from("damaged"), expected: revision }]);
  const { attachments } = calls.unsealed.vault;
  assert.equal(await attachments.removeParts(), true);
  for (let round = 0; round < 2; round++) {
    await assert.rejects(attachments.removeParts(), RecordDamaged);
    await removeAllParts(calls);
    assert.deepEqual(await leftOf(calls), [1, 1]);
  }
});

test("a part that is read while its attachment is removed does not leave after the removal is on record", async () => {
  const store = new FaultyStore();
  const faulty = await testCalls(store);
  await faulty.call("attachments.add_part", addRequest(0, PARTS[0]));
  const { get } = store;
  let removed: Promise<unknown> | undefined;
  store.get = async (table, path) => {
    if (table === "attachment-part") {
      removed ??= faulty.call("attachments.remove", { name: "old.log" });
      await removed;
    }
    return get(table, path);
  };
  assert.equal(await faulty.code("attachments.get_part", { name: "old.log", part: 0 }), "not_found");
  assert.notEqual(removed, undefined);
});

test("a page of which one is removed while it is read is as full as others, and the next one follows", async () => {
  const store = new FaultyStore();
  const faulty = await testCalls(store);
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) {
    await faulty.call("attachments.add_part", addRequest(0, PARTS[1], name));
  }
  // As after a start: nothing is cached.
  await faulty.unsealed.vault.attachments.load();
  const { getMany } = store;
  let removed: Promise<unknown> | undefined;
  store.getMany = async (table, paths) => {
    removed ??= faulty.call("attachments.remove", { name: "a" });
    await removed;
    return getMany(table, paths);
  };
  const seen: string[] = [];
  for (let token: string = ""; seen.length === 0 || token !== ""; ) {
    const page = await faulty.call("attachments.list", { page_size: 2, page_token: token });
    seen.push(...(page["attachments"] as { name: string }[]).map(({ name }) => name));
    token = (page["next_page_token"] as string | undefined) ?? "";
  }
  assert.deepEqual(seen, names.slice(1));
});
