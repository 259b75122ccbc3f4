import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { ANY_KEY, planKey, testVault } from "../boot/test-vault.ts";
import { openOrCreate } from "../boot/unseal.ts";
import { RevisionConflict, StoreUnavailable, type Table } from "../store/store.ts";
import { NOTHING, type Plan } from "../vault/plan.ts";

const NOW = Date.now();
const entry = (text: string) => Buffer.from(JSON.stringify({ text }));

test("entries of one turn of the event loop share one commit", async () => {
  const { committer, store, log } = await testVault();
  const commits = store.commits;
  await Promise.all(Array.from({ length: 32 }, (_, i) => committer.submit(entry(`e${i}`))));
  assert.equal(store.commits, commits + 1);
  assert.equal(log.frontier.size, 1 + 32);
});

test("no commit takes more than 256 entries, on which the longest time without a checkpoint rests", async () => {
  const { committer, store } = await testVault();
  const batches = async () => (await store.listRevisions("audit", { limit: 1_000 })).length;
  const submit = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => committer.submit(entry(`${i}`))));
  for (const [count, commits] of [
    [256, 1],
    [257, 2],
    [700, 3],
  ] as const) {
    const before = await batches();
    await submit(count);
    assert.equal((await batches()) - before, commits, `${count} entries`);
  }
});

test("of many plans for one name exactly one is committed, the others are outdated and leave no entry", async () => {
  const { vault, committer, log } = await testVault();
  const size = log.frontier.size;
  const plans = await Promise.all(Array.from({ length: 16 }, () => planKey(vault, "k", {}, NOW)));
  const results = await Promise.allSettled(plans.map((plan) => committer.submit(entry("create"), plan)));
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  for (const result of results) {
    assert.ok(result.status === "fulfilled" || result.reason instanceof RevisionConflict);
  }
  assert.equal(log.frontier.size, size + 1);
  const winner = plans[results.findIndex((result) => result.status === "fulfilled")];
  assert.equal((await vault.keys.get("k")).id, winner?.result.key.id);
});

test("plans for different names go in one commit with their entries", async () => {
  const { vault, committer, store, seal } = await testVault();
  const commits = store.commits;
  const plans = await Promise.all(["a", "b", "c"].map((name) => planKey(vault, name, {}, NOW)));
  await Promise.all(plans.map((plan) => committer.submit(entry("create"), plan)));
  assert.equal(store.commits, commits + 1);
  const again = await openOrCreate(store, seal());
  assert.deepEqual(
    (await again.vault.keys.list(ANY_KEY, "", 10)).map((key) => key.name),
    ["a", "b", "c"],
  );
});

/** The plan of a change, of a record that is not there yet or, for a removal, any more. */
function changing(
  table: Table,
  path: string,
  payload: Buffer | null,
  own: Partial<Plan<undefined>> = {},
): Plan<undefined> {
  return {
    result: undefined,
    changes: [{ table, path: path.repeat(32), payload, previous: null }],
    committed: () => {},
    discard: () => {},
    ...own,
  };
}

test("of what is committed together, nothing comes after the end of what it rests on, in whatever order it came", async () => {
  const kinds = ["token", "new token", "key", "audit-retention", "attachment", "secret", "none"] as const;
  const planOf = (kind: (typeof kinds)[number]): Plan<unknown> => {
    switch (kind) {
      case "none":
        return NOTHING;
      case "token":
        return changing("token", "ab", null);
      case "new token":
        return changing("token", "cd", Buffer.from("x"));
      default:
        return changing(kind, "ab", Buffer.from("x"));
    }
  };
  for (const order of [kinds, kinds.toReversed(), [...kinds.slice(2), ...kinds.slice(0, 2)]]) {
    const { committer, store } = await testVault();
    const commits = store.commits;
    const indexes = await Promise.all(order.map((kind) => committer.submit(entry(kind), planOf(kind))));
    assert.equal(store.commits, commits + 1);
    const committed = order.toSorted(
      (a, b) => (indexes[order.indexOf(a)] as number) - (indexes[order.indexOf(b)] as number),
    );
    assert.deepEqual(committed.slice(2), ["secret", "attachment", "audit-retention", "key", "token"]);
  }
});

test("of two ends of tokens that came together, the second is outdated when the first ended its caller's", async () => {
  const { committer, log } = await testVault();
  const { size } = log.frontier;
  let isRevoked = false;
  const revocation = changing("token", "ab", null, {
    committed: () => {
      isRevoked = true;
    },
  });
  const [ended, last, other] = await Promise.allSettled([
    committer.submit(entry("revoke"), revocation),
    committer.submit(entry("revoke"), changing("token", "cd", null, { holds: () => !isRevoked })),
    committer.submit(entry("revoke"), changing("token", "ef", null, { holds: () => true })),
  ]);
  assert.deepEqual(ended, { status: "fulfilled", value: size });
  assert.ok(last.status === "rejected" && last.reason instanceof RevisionConflict);
  assert.deepEqual(other, { status: "fulfilled", value: size + 1 });
  assert.equal(log.frontier.size, size + 2);
});

test("what waits for its turn keeps nothing else waiting", async () => {
  const { committer, store } = await testVault();
  const commits = store.commits;
  const path = (i: number) => i.toString(16).padStart(4, "0");
  const revocations = Array.from({ length: 300 }, (_, i) =>
    committer.submit(entry("revoke"), changing("token", path(i), null)),
  );
  await committer.submit(entry("use"));
  assert.equal(store.commits, commits + 1);
  await Promise.all(revocations);
  const made = Array.from({ length: 20 }, (_, i) =>
    committer.submit(entry("create"), changing("token", path(i), Buffer.from("x"))),
  );
  const before = store.commits;
  await Promise.all(made);
  assert.equal(store.commits, before + 1);
});

test("REQ-05: when the commit fails nobody is told of success, nothing changed, and it recovers by itself", async () => {
  const { vault, committer, store, log, seal } = await testVault();
  const { size } = log.frontier;
  store.beforeCommit = () => {
    throw new StoreUnavailable("disk full");
  };
  await assert.rejects(committer.submit(entry("lost"), await planKey(vault, "k", {}, NOW)), StoreUnavailable);
  assert.equal(committer.healthy, false);
  await assert.rejects(vault.keys.get("k"), (error) => error instanceof BunkmsError && error.code === "not_found");
  store.beforeCommit = () => {};
  await committer.submit(entry("next"), await planKey(vault, "k", {}, NOW));
  assert.equal(committer.healthy, true);
  assert.equal(log.frontier.size, size + 1);
  await openOrCreate(store, seal());
});

test("a commit that failed after it was applied is found in the store, and the log goes on after it", async () => {
  const { vault, committer, store, log, seal } = await testVault();
  const { size } = log.frontier;
  store.afterCommit = () => {
    throw new StoreUnavailable("the answer was lost");
  };
  await assert.rejects(committer.submit(entry("ambiguous"), await planKey(vault, "k", {}, NOW)), StoreUnavailable);
  store.afterCommit = () => {};
  await committer.submit(entry("next"));
  assert.equal(log.frontier.size, size + 2);
  assert.equal((await vault.keys.get("k")).latestVersion, 1);
  assert.deepEqual(
    (await vault.keys.list(ANY_KEY, "", 10)).map((key) => key.name),
    ["k"],
  );
  await openOrCreate(store, seal());
});

test("caches that could not be reloaded after a failure are reloaded before the next commit", async () => {
  const { vault, committer, store } = await testVault();
  await committer.submit(entry("put"), await vault.secrets.put("s", Buffer.from("old"), NOW));
  store.afterCommit = () => {
    throw new StoreUnavailable("the answer was lost");
  };
  await assert.rejects(committer.submit(entry("put"), await vault.secrets.put("s", Buffer.from("new"), NOW)));
  store.afterCommit = () => {};
  store.beforeList = (table) => {
    if (table === "secret") {
      throw new StoreUnavailable("not now");
    }
  };
  await assert.rejects(committer.submit(entry("next")), StoreUnavailable);
  store.beforeList = () => {};
  await committer.submit(entry("next"));
  assert.equal((await vault.secrets.read("s")).value.toString(), "new");
  await committer.submit(entry("put"), await vault.secrets.put("s", Buffer.from("newer"), NOW));
});

test("caches are read anew before the next commit when somebody else wrote, once, and not when nothing is committed", async () => {
  const { vault, committer, store, log } = await testVault();
  await committer.submit(entry("put"), await vault.secrets.put("s", Buffer.from("value"), NOW));
  const listed: Table[] = [];
  store.beforeList = (table) => void listed.push(table);
  const reads = (): number => listed.splice(0).filter((table) => table === "secret").length;
  await committer.submit(entry("next"));
  assert.equal(reads(), 0);
  await committer.idle();
  committer.refresh();
  await committer.checkpoint();
  assert.equal(reads(), 0);
  const { size } = log.frontier;
  await committer.submit(entry("next"));
  assert.equal(reads(), 1);
  await committer.submit(entry("next"));
  assert.equal(reads(), 0);
  assert.equal(log.frontier.size, size + 2);
});

test("the last commit before the vault closes has a checkpoint before anybody is told, and counts without one as well", async () => {
  const { committer, checkpoints, log, store } = await testVault();
  const last: Plan<undefined> = { ...NOTHING, result: undefined, isLast: true };
  const commits = store.commits;
  let covered: number | undefined;
  await committer.submit(entry("seal"), {
    ...last,
    committed: () => {
      covered = checkpoints.size;
    },
  });
  assert.deepEqual([covered, log.frontier.size], [log.frontier.size, checkpoints.size]);
  assert.equal(store.commits, commits + 2);
  // The commit itself, and then the checkpoint, which cannot be written.
  let left = 1;
  store.beforeCommit = () => {
    left -= 1;
    if (left < 0) {
      throw new StoreUnavailable("disk full");
    }
  };
  const index = await committer.submit(entry("seal"), last);
  assert.deepEqual([index, log.frontier.size, checkpoints.size], [index, index + 1, index]);
  assert.equal(committer.healthy, true);
});

test("of what is committed together just the one is outdated whose record is there, whatever else has its path or its table", async () => {
  const { committer } = await testVault();
  const put = (table: Table, path: string) => committer.submit(entry("put"), changing(table, path, Buffer.from("x")));
  await put("secret", "ab");
  const results = await Promise.allSettled([
    put("alias", "ab"),
    put("secret", "cd"),
    put("secret", "ab"),
    put("key", "ab"),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
});

test("COSMIAN-2026-011 a use that no longer holds is outdated, and one that is committed with its key's end is before it", async () => {
  const { vault, committer } = await testVault();
  await committer.submit(entry("create"), await planKey(vault, "k"));
  const order: string[] = [];
  const use = (name: string, holds: boolean): Plan<undefined> => ({
    result: undefined,
    // As one that reserves a part of a budget.
    changes: [],
    holds: () => holds,
    committed: () => order.push(name),
    discard: () => {},
  });
  const disable = await vault.keys.step("k", "disable", NOW);
  const ended = {
    ...disable,
    committed: (refs: Parameters<typeof disable.committed>[0]) => {
      order.push("disable");
      disable.committed(refs);
    },
  };
  const results = await Promise.allSettled([
    committer.submit(entry("disable"), ended),
    committer.submit(entry("outdated"), use("outdated", false)),
    committer.submit(entry("use"), use("use", true)),
  ]);
  assert.deepEqual(order, ["use", "disable"]);
  assert.ok(results[1]?.status === "rejected" && results[1].reason instanceof RevisionConflict);
});

test("each is told the index of its entry in the log", async () => {
  const { committer, log } = await testVault();
  const { size } = log.frontier;
  const indexes = await Promise.all(Array.from({ length: 300 }, (_, i) => committer.submit(entry(`e${i}`))));
  assert.deepEqual(
    indexes,
    Array.from({ length: 300 }, (_, i) => size + i),
  );
});

test("whoever wants a receipt waits for a checkpoint that covers his entry, nobody else does", async () => {
  const { committer, checkpoints, log } = await testVault();
  await committer.checkpoint();
  const signed = checkpoints.latest?.size ?? 0;
  await committer.submit(entry("one"));
  assert.equal(checkpoints.latest?.size, signed);
  const index = await committer.submit(entry("two"), undefined, true);
  assert.equal(checkpoints.latest?.size, index + 1);
  assert.equal(log.frontier.size, index + 1);
});

test("a checkpoint that cannot be written fails nobody whose entry is on disk, and is signed later", async () => {
  const { committer, checkpoints, store, log } = await testVault();
  await committer.checkpoint();
  const signed = checkpoints.latest?.size ?? 0;
  let commits = 0;
  store.beforeCommit = () => {
    commits += 1;
    if (commits > 1) {
      throw new StoreUnavailable("disk full");
    }
  };
  const index = await committer.submit(entry("one"), undefined, true);
  assert.equal(index, signed);
  assert.equal(checkpoints.latest?.size, signed);
  await assert.rejects(committer.checkpoint(), StoreUnavailable);
  store.beforeCommit = () => {};
  await committer.submit(entry("two"), undefined, true);
  assert.equal(checkpoints.latest?.size, log.frontier.size);
});

test("never more than a thousand entries are without a checkpoint", async () => {
  const { committer, checkpoints, log } = await testVault();
  await committer.checkpoint();
  for (let i = 0; i < 10; i++) {
    await Promise.all(Array.from({ length: 250 }, () => committer.submit(entry("e"))));
    assert.ok(log.frontier.size - (checkpoints.latest?.size ?? 0) <= 1000);
  }
  assert.ok((checkpoints.latest?.size ?? 0) > 1500);
});

test("an entry longer than a bundle can hold is refused by itself", async () => {
  const { committer, log } = await testVault();
  const { size } = log.frontier;
  const [long, short] = await Promise.allSettled([
    committer.submit(Buffer.alloc(65_536, 32)),
    committer.submit(Buffer.alloc(65_535, 32)),
  ]);
  assert.equal(long.status, "rejected");
  assert.equal(short.status, "fulfilled");
  assert.equal(log.frontier.size, size + 1);
});

test("of what is committed together each gets the index of its own entry, and each plan its own writings", async () => {
  const { committer, log, store } = await testVault();
  const { size } = log.frontier;
  const written = new Map<string, number | undefined>();
  const plans = ["a", "b", "c"].map((path) =>
    changing("alias", path, path === "a" ? null : Buffer.from(path), {
      committed: ([ref]) => void written.set(path, ref?.revision),
    }),
  );
  const given = plans.map((plan, i) => committer.submit(entry(`${i}`), plan, i !== 1));
  assert.deepEqual(await Promise.all(given), [size, size + 1, size + 2]);
  for (const [path, revision] of written) {
    assert.equal((await store.get("alias", path.repeat(32)))?.revision, revision, path);
  }
  assert.equal(written.size, 3);
});

test("what waits when the vault is closed, and what comes after, is refused, and what is under way ends", async () => {
  const { committer, log, store } = await testVault();
  const { size } = log.frontier;
  const sealed = new BunkmsError("sealed");
  const refused: Promise<number>[] = [];
  store.beforeCommit = () => {
    refused.push(committer.submit(entry("waits")));
    committer.close(sealed);
    refused.push(committer.submit(entry("late")));
  };
  assert.equal(await committer.submit(entry("under way")), size);
  for (const one of refused) {
    await assert.rejects(one, sealed);
  }
  await committer.idle();
  assert.equal(refused.length, 2);
  assert.equal(log.frontier.size, size + 1);
});
