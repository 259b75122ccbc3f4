import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultyStore, testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Started } from "../boot/unseal.ts";
import { removePruned } from "../pipeline/audit-batches.ts";
import { type RecordRevision, RevisionConflict, StoreUnavailable, type Table, type Write } from "../store/store.ts";
import { type Aside, Asides } from "./asides.ts";
import { PART_LENGTH } from "./attachments.ts";
import { type Plan, unchanged } from "./plan.ts";
import { RecordDamaged } from "./record.ts";

const DAY_MS = 86_400_000;
const NOW = 20_000 * DAY_MS;
const GENERATION = 7;

/** Lets no value of these tables be read, until what it returns is called. */
function hideValues(store: FaultyStore, tables: readonly Table[]): () => void {
  const refuse = (table: Table): void => assert.ok(!tables.includes(table), `a value of ${table} was read`);
  const { get, getMany, beforeList } = store;
  store.get = async (table, path) => {
    refuse(table);
    return get(table, path);
  };
  store.getMany = async (table, paths) => {
    refuse(table);
    return getMany(table, paths);
  };
  store.beforeList = refuse;
  return () => Object.assign(store, { get, getMany, beforeList });
}

/** Asides in a store of their own, sealed by a number that stands for the key. */
function asidesIn(store: FaultyStore) {
  const key = { version: 1 };
  const seal = (_: Aside, payload: Uint8Array, generation: number) => {
    assert.equal(generation, GENERATION);
    return Buffer.from([key.version, ...payload]);
  };
  return { key, asides: new Asides(store, seal) };
}

const aside = (path: string, text: string | null): Aside => ({
  table: "audit-cursor",
  path,
  payload: text === null ? null : Buffer.from(text),
});

const valuesOf = async (store: FaultyStore) =>
  (await store.list("audit-cursor", { limit: 100 })).map(
    ({ path, value }) => `${path} ${value[0]}${Buffer.from(value.subarray(1))}`,
  );

async function pathsOf(store: FaultyStore, table: Table): Promise<readonly string[]> {
  return (await store.listRevisions(table, { limit: 1000 })).map(({ path }) => path);
}

/** Writes a record anew as it is, under another revision. */
async function touch(store: FaultyStore, table: Table, path: string): Promise<void> {
  const record = await store.get(table, path);
  const { beforeCommit } = store;
  store.beforeCommit = () => {};
  await store.commit([{ table, path, value: record?.value ?? null, expected: record?.revision ?? 0 }]);
  store.beforeCommit = beforeCommit;
}

test("asides are written over whatever is there, or leave, and need not be there", async () => {
  const store = new FaultyStore();
  const { asides } = asidesIn(store);
  await asides.commit([], [aside("a", "1"), aside("ab", "2"), aside("none", null)], GENERATION);
  assert.deepEqual(await valuesOf(store), ["a 11", "ab 12"]);
  const write: Write = { table: "key", path: "k", value: Buffer.of(1), expected: 0 };
  const [revision, ...others] = await asides.commit(
    [write],
    [aside("a", null), aside("ab", "3"), aside("abc", "4")],
    GENERATION,
  );
  assert.deepEqual(await store.listRevisions("key", { limit: 9 }), [{ path: "k", revision }]);
  assert.equal(others[0], 0);
  assert.deepEqual(await valuesOf(store), ["ab 13", "abc 14"]);
  await asides.commit([], [aside("a", "5"), aside("abcd", null)], GENERATION);
  assert.deepEqual(await valuesOf(store), ["a 15", "ab 13", "abc 14"], "what only begins like it is not in its place");
});

test("an aside that is sealed by another key meanwhile is written by the newest one, and in the end given up", async () => {
  const store = new FaultyStore();
  const { asides, key } = asidesIn(store);
  await asides.commit([], [aside("a", "1"), aside("b", "1")], GENERATION);
  const { listRevisions } = store;
  let times = 2;
  store.listRevisions = async (table, options) => {
    const found = await listRevisions(table, options);
    if (options.prefix === "b" && times-- > 0) {
      key.version += 1;
      await touch(store, "audit-cursor", "b");
    }
    return found;
  };
  await asides.commit([], [aside("a", null), aside("b", "2")], GENERATION);
  assert.deepEqual(await valuesOf(store), ["b 32"]);
  times = 5;
  await assert.rejects(asides.commit([], [aside("a", "3"), aside("b", "3")], GENERATION), RevisionConflict);
  assert.deepEqual([times, await valuesOf(store)], [0, ["b 32"]]);
});

test("a conflict of what is committed with asides is the caller's, at once", async () => {
  const store = new FaultyStore();
  const { asides } = asidesIn(store);
  let asked = 0;
  store.beforeListRevisions = () => {
    asked += 1;
  };
  const write: Write = { table: "key", path: "a", value: Buffer.of(1), expected: 7 };
  await assert.rejects(asides.commit([write], [aside("a", "1")], GENERATION), {
    name: "RevisionConflict",
    table: "key",
  });
  assert.deepEqual([asked, await valuesOf(store)], [1, []]);
});

test("what lies before a path leaves, so many at a time, of this prefix alone, and what is sealed anew meanwhile next time", async () => {
  const store = new FaultyStore();
  const { asides } = asidesIn(store);
  const paths = ["0/9", "a/1", "a/2", "a/3", "a/4", "a/5"];
  await asides.commit(
    [],
    paths.map((path) => aside(path, "x")),
    GENERATION,
  );
  const remove = () => asides.removeBefore("audit-cursor", "a/4", 2, "a/");
  const { listRevisions } = store;
  let isTouched = false;
  store.listRevisions = async (table, options) => {
    const found = await listRevisions(table, options);
    if (!isTouched) {
      isTouched = true;
      await touch(store, table, "a/2");
    }
    return found;
  };
  assert.equal(await remove(), true);
  store.listRevisions = listRevisions;
  assert.deepEqual(await pathsOf(store, "audit-cursor"), paths);
  assert.equal(await remove(), true);
  assert.deepEqual(await pathsOf(store, "audit-cursor"), ["0/9", "a/3", "a/4", "a/5"]);
  assert.deepEqual([await remove(), await remove()], [false, false]);
  assert.deepEqual(await pathsOf(store, "audit-cursor"), ["0/9", "a/4", "a/5"]);
  const { commits } = store;
  assert.equal(await remove(), false);
  assert.equal(store.commits, commits, "nothing is written when there is nothing to remove");
});

test("what cannot be removed since the store does not work is not taken for sealed anew", async () => {
  const store = new FaultyStore();
  const { asides } = asidesIn(store);
  await asides.commit([], [aside("a/1", "x")], GENERATION);
  store.beforeCommit = () => {
    throw new StoreUnavailable("the disk failed");
  };
  await assert.rejects(asides.removeBefore("audit-cursor", "a/2", 2, "a/"), StoreUnavailable);
  store.beforeCommit = () => {};
  assert.deepEqual(await pathsOf(store, "audit-cursor"), ["a/1"]);
});

test("no table of the state's digest is one of asides, nor of what is removed unread", async () => {
  const { vault, store } = await testVault();
  // @ts-expect-error
  const digested: Aside = { table: "token", path: "a", payload: null };
  assert.equal(digested.table, "token");
  // @ts-expect-error
  await vault.records.removals("secret-version", "none/");
  assert.equal((await pathsOf(store, "token")).length, 1);
});

const commit = async ({ committer }: Pick<Started, "committer">, planned: Promise<Plan<unknown>>) =>
  committer.submit(Buffer.from("{}"), await planned);

/** Replaces the record that comes at this place in its table. */
async function damage(
  { store, vault }: Awaited<ReturnType<typeof testVault>>,
  table: Table,
  at: number,
): Promise<void> {
  const { path, revision } = (await store.listRevisions(table, { limit: at + 1 }))[at] as RecordRevision;
  await store.commit([{ table, path, value: Buffer.from("damaged"), expected: revision }]);
  await assert.rejects(vault.records.read(table, path), RecordDamaged);
}

/** Opens the vault once more: its state must be that of the records that are there. */
async function reopened({ store, seal }: Awaited<ReturnType<typeof testVault>>): Promise<Started> {
  return openOrCreate(store, seal());
}

test("parts and old answers leave without being read, also damaged ones, and the vault opens again", async () => {
  const opened = await testVault();
  const { attachments, idempotency } = opened.vault;
  for (let part = 0; part < 6; part++) {
    await commit(opened, attachments.addPart("old.log", part, Buffer.alloc(PART_LENGTH, 1), NOW));
  }
  await commit(opened, attachments.remove("old.log"));
  const done = { request: Buffer.alloc(32), answer: undefined };
  const changes = ["1", "2"].map((key) => idempotency.change({ caller: "c0ffee", key }, done, NOW));
  await commit(opened, Promise.resolve({ ...unchanged(undefined), changes }));
  await damage(opened, "attachment-part", 4);
  await damage(opened, "idempotency", 0);
  const showValues = hideValues(opened.store, ["attachment-part", "idempotency"]);
  while (await attachments.removeParts()) {
    // There is more.
  }
  assert.equal(await idempotency.clean(NOW + 2 * DAY_MS), false);
  showValues();
  for (const table of ["attachment-part", "attachment-removal", "idempotency"] as const) {
    assert.deepEqual(await pathsOf(opened.store, table), []);
  }
  await reopened(opened);
});

test("pruned audit batches leave without being read, also a damaged one, and no other", async () => {
  const opened = await testVault();
  for (const name of ["a", "b", "c"]) {
    await commit(opened, opened.vault.secrets.put(name, Buffer.from(name), NOW));
  }
  await damage(opened, "audit", 1);
  const batches = await pathsOf(opened.store, "audit");
  hideValues(opened.store, ["audit"]);
  assert.equal(await removePruned(opened.vault.records, 2), false);
  assert.deepEqual(await pathsOf(opened.store, "audit"), batches.slice(2));
});

test("a secret is destroyed without its values being read, also with a damaged one, and the vault opens again", async () => {
  const opened = await testVault();
  const { secrets } = opened.vault;
  for (const value of ["one", "two", "three"]) {
    await commit(opened, secrets.put("gone", Buffer.from(value), NOW));
  }
  await damage(opened, "secret-value", 1);
  await commit(opened, secrets.put("kept", Buffer.from("value"), NOW));
  const showValues = hideValues(opened.store, ["secret-value"]);
  const early = await secrets.delete("gone");
  await commit(opened, secrets.put("gone", Buffer.from("four"), NOW));
  await assert.rejects(commit(opened, Promise.resolve(early)), RevisionConflict);
  await commit(opened, secrets.delete("gone"));
  showValues();
  for (const table of ["secret", "secret-version", "secret-value"] as const) {
    assert.equal((await pathsOf(opened.store, table)).length, 1);
  }
  const { vault } = await reopened(opened);
  assert.equal(String((await vault.secrets.read("kept")).value), "value");
});
