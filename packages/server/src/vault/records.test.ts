import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { watchWipes } from "../../../../test/harness/watched-wipes.ts";
import { secretKey } from "../crypto/keys.ts";
import { XaesKey } from "../crypto/xaes.ts";
import { openMemoryStore } from "../store/memory.ts";
import { type ListOptions, type Store, type StoredRecord, StoreUnavailable } from "../store/store.ts";
import { loadKeyring, newKeyring } from "./keyring.ts";
import { Records } from "./records.ts";
import { VaultRolledBack } from "./rolled-back.ts";

const COUNT = 10;
const PAGE = 4;

/** A store of so many tokens as records, whose listings go through `list`, and questions for many through `getMany`. */
async function records(
  list: (list: () => Promise<readonly StoredRecord[]>, options: ListOptions) => Promise<readonly StoredRecord[]>,
  getMany: (
    get: () => Promise<readonly StoredRecord[]>,
    paths: readonly string[],
  ) => Promise<readonly StoredRecord[]> = (get) => get(),
): Promise<Records> {
  const store = openMemoryStore();
  const keyring = loadKeyring(newKeyring());
  const cluster = Buffer.alloc(16, 1);
  const changes = Array.from({ length: COUNT }, (_, i) => ({
    table: "token" as const,
    path: `t/${i}`,
    payload: Buffer.from([i]),
    previous: null,
  }));
  await new Records(store, cluster, keyring).commit(changes, { path: "a", payload: Buffer.alloc(0) });
  const watched: Store = {
    get: (...asked) => store.get(...asked),
    getMany: (table, paths) => getMany(() => store.getMany(table, paths), paths),
    listRevisions: (...asked) => store.listRevisions(...asked),
    list: (table, options) => list(() => store.list(table, options), options),
    commit: (writes) => store.commit(writes),
    close: () => store.close(),
  };
  return new Records(watched, cluster, keyring);
}

test("all records come, each once and in order, whatever the size of a page", async () => {
  const all = await records((list) => list());
  for (let size = 1; size <= COUNT + 1; size++) {
    const seen: number[] = [];
    for await (const { payload } of all.all("token", "", size)) {
      seen.push(payload[0] as number);
    }
    assert.deepEqual(seen, [...Array(COUNT).keys()], `pages of ${size}`);
  }
});

test("while a page is opened the store reads the next one, and not more than that", async () => {
  let asked = 0;
  const ahead: number[] = [];
  const watched = await records((list) => {
    asked += 1;
    return list();
  });
  for await (const { payload } of watched.all("token", "", PAGE)) {
    ahead.push(asked - 1 - Math.floor((payload[0] as number) / PAGE));
  }
  assert.deepEqual(ahead, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
});

test("a page that fails after its reader had enough fails nobody", async () => {
  const failing = await records(async (list, { after }) => {
    if (after !== undefined) {
      throw new StoreUnavailable("gone");
    }
    return list();
  });
  // An unhandled rejection would fail this test.
  for await (const _ of failing.all("token", "", PAGE)) {
    break;
  }
  await setImmediate();
  await assert.rejects(async () => {
    for await (const _ of failing.all("token", "", PAGE)) {
      await setImmediate();
    }
  }, StoreUnavailable);
});

/** Paths for three questions, the first of each that of a record which is there. */
const MANY = Array.from({ length: 600 }, (_, i) => (i % 250 === 0 ? `t/${i / 250}` : `none/${i}`));

test("many records come in the order of their paths, and the store reads the next ones while some are opened", async () => {
  let asked = 0;
  const ends: (() => void)[] = [];
  const all = await records(
    (list) => list(),
    async (get) => {
      asked += 1;
      await new Promise<void>((resolve) => ends.push(resolve));
      return get();
    },
  );
  const read = all.readMany("token", MANY);
  const ahead: number[] = [];
  while (ends.length > 0) {
    ahead.push(asked);
    ends.shift()?.();
    await setImmediate();
  }
  assert.deepEqual(ahead, [2, 3, 3]);
  assert.deepEqual(
    (await read).map(({ payload }) => payload[0]),
    [0, 1, 2],
  );
  assert.deepEqual(await all.readMany("token", []), []);
});

test("of many records those that cannot be read fail their reader, and nobody else", async () => {
  const failing = await records(
    (list) => list(),
    async () => {
      throw new StoreUnavailable("gone");
    },
  );
  // An unhandled rejection would fail this test.
  await assert.rejects(failing.readMany("token", MANY), StoreUnavailable);
  await setImmediate();
});

test("all that a commit writes is sealed with the generation that it makes, asides too", async () => {
  const vault = await records((list) => list());
  await vault.reload(1);
  const aside = (path: string) => ({ table: "audit-tile", path, payload: Buffer.from(path) }) as const;
  const change = { table: "token", path: "t/new", payload: Buffer.of(1), previous: null } as const;
  await vault.commit([change], { path: "b", payload: Buffer.alloc(0), asides: [aside("first")] });
  await vault.keep([aside("second")]);
  await vault.commit([], { path: "c", payload: Buffer.alloc(0), asides: [aside("third")] });
  const versions: (number | undefined)[] = [];
  for (const [table, path] of [
    ["token", "t/new"],
    ["meta", "state"],
    ["audit", "b"],
    ["audit", "c"],
    ["audit-tile", "first"],
    ["audit-tile", "second"],
    ["audit-tile", "third"],
  ] as const) {
    versions.push((await vault.read(table, path))?.ref.version);
  }
  assert.equal(vault.generation, 2);
  assert.deepEqual(versions, Array(7).fill(2));
});

test("what a new vault begins with is written by its first commit, whatever else that changes, once, and zeroed after it", async () => {
  for (const isEmpty of [true, false]) {
    const store = openMemoryStore();
    const keyring = loadKeyring(newKeyring());
    const cluster = Buffer.alloc(16, 1);
    const genesis = { table: "token" as const, path: "t/0", payload: Buffer.from("genesis"), previous: null };
    const made = new Records(store, cluster, keyring, [genesis]);
    const change = { table: "token" as const, path: "t/1", payload: Buffer.from("kept"), previous: null };
    await made.commit(isEmpty ? [] : [change], { path: "a", payload: Buffer.alloc(0) });
    assert.deepEqual(genesis.payload, Buffer.alloc(7));
    assert.equal(change.payload.toString(), "kept", "it is its caller who zeroes that");
    assert.equal(made.generation, 1);
    await made.commit([], { path: "b", payload: Buffer.alloc(0) });
    assert.equal(made.generation, 1);
    const again = new Records(store, cluster, keyring);
    await again.reload(1);
    await again.verifyState(0);
    assert.equal((await again.read("token", "t/0"))?.payload.toString(), "genesis");
  }
});

test("a record that is sealed anew keeps content and version, and what was opened for it is zeroed", async (context) => {
  const store = openMemoryStore();
  const keyring = loadKeyring(newKeyring());
  const made = new Records(store, Buffer.alloc(16, 1), keyring);
  const content = Buffer.from("a secret of nobody else");
  const change = { table: "secret-version" as const, path: "s/1", payload: content, previous: null };
  await made.commit([change], { path: "a", payload: Buffer.alloc(0) });
  const newer = new XaesKey(secretKey(Buffer.alloc(32, 2)));
  made.useBarrier({ barrier: new Map([...keyring.barrier, [2, newer]]), barrierVersion: 2 });
  const zeroed = watchWipes(context);
  assert.equal((await made.reseal("secret-version")).resealed, 1);
  assert.deepEqual(
    zeroed.filter((hex) => hex === content.toString("hex")),
    [content.toString("hex")],
  );
  const record = await made.read("secret-version", "s/1");
  assert.deepEqual([record?.payload, record?.ref.version], [content, 1]);
});

test("a store without its state record, or with one of another generation than the log, is refused", async () => {
  const store = openMemoryStore();
  const keyring = loadKeyring(newKeyring());
  const made = new Records(store, Buffer.alloc(16, 1), keyring);
  const change = { table: "token" as const, path: "t/0", payload: Buffer.of(1), previous: null };
  await made.commit([change], { path: "a", payload: Buffer.alloc(0) });
  const again = new Records(store, Buffer.alloc(16, 1), keyring);
  for (const generation of [undefined, 0, 2]) {
    await assert.rejects(again.reload(generation), VaultRolledBack);
  }
  assert.equal(await again.reload(1), true);
  assert.equal(await again.reload(1), false);
  const state = await store.get("meta", "state");
  await store.commit([{ table: "meta", path: "state", value: null, expected: state?.revision ?? 0 }]);
  await assert.rejects(again.reload(1), VaultRolledBack);
});

test("a store that gives a path twice, in one page or in two, is refused", async () => {
  const twice = await records(async (list) => (await list()).flatMap((record) => [record, record]).slice(0, PAGE));
  const again = await records(async (list, { after }) =>
    after === undefined ? list() : [{ path: after, value: Buffer.alloc(0), revision: 1 }],
  );
  for (const store of [twice, again]) {
    await assert.rejects(async () => {
      for await (const _ of store.all("token", "", PAGE)) {
        // Only the reading is of interest.
      }
    }, VaultRolledBack);
  }
});
