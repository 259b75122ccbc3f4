import assert from "node:assert/strict";
import { test } from "node:test";
import { SealFailure } from "../seal/seal.ts";
import { openMemoryStore } from "../store/memory.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import { MUTABLE_TABLES } from "../vault/state.ts";
import { makeRootToken } from "./root-token.ts";
import { FaultyStore, planKey, testSeal, testSeals, testVault } from "./test-vault.ts";
import { openOrCreate, type Unsealed } from "./unseal.ts";

const NOW = Date.now();

async function commitKey({ vault, committer }: Unsealed, name: string): Promise<void> {
  await committer.submit(Buffer.from(`create ${name}`), await planKey(vault, name, {}, NOW));
}

async function commitRotation({ vault, committer }: Unsealed, name: string): Promise<void> {
  await committer.submit(Buffer.from(`rotate ${name}`), await vault.keys.rotate(name, NOW));
}

/** Puts a record back as it was, or away, as somebody with the disk could. */
async function overwrite(
  store: Store,
  table: (typeof MUTABLE_TABLES)[number],
  path: string,
  value: Uint8Array | null,
): Promise<void> {
  const now = await store.get(table, path);
  await store.commit([{ table, path, value, expected: now?.revision ?? 0 }]);
}

test("a new vault has a root token, which works; opened again it has the same keys and log", async () => {
  const first = await testVault();
  assert.ok(first.rootToken !== undefined);
  assert.equal((await first.tokens.authenticate(first.rootToken, NOW)).role, "root");
  await commitKey(first, "k");
  const again = await openOrCreate(first.store, first.seal());
  assert.equal(again.rootToken, undefined);
  assert.equal((await again.vault.keys.get("k")).latestVersion, 1);
  // One more: the entry of the unsealing.
  assert.equal(again.log.frontier.size, first.log.frontier.size + 1);
});

test("REQ-11: a wrong master key is refused, names the slots and changes nothing", async () => {
  const { store } = await testVault();
  const commits = store.commits;
  await assert.rejects(
    openOrCreate(store, testSeal()()),
    (error) => error instanceof SealFailure && /slots: env/.test(error.message),
  );
  assert.equal(store.commits, commits);
});

test("REQ-11: a store with an audit log but no slot gets no new key", async () => {
  const { store, seal } = await testVault();
  for (const { path, revision } of await store.list("meta", { prefix: "slot/", limit: 10 })) {
    await store.commit([{ table: "meta", path, value: null, expected: revision }]);
  }
  await assert.rejects(openOrCreate(store, seal()), VaultRolledBack);
});

test("a vault whose first commit failed does not exist", async () => {
  const store = new FaultyStore();
  const seal = testSeal();
  store.beforeCommit = () => {
    throw new StoreUnavailable("full");
  };
  await assert.rejects(openOrCreate(store, seal()), StoreUnavailable);
  store.beforeCommit = () => {};
  assert.ok((await openOrCreate(store, seal())).rootToken !== undefined);
});

test("a lost root token is replaced by who holds the master key, and that is recorded", async () => {
  const first = await testVault();
  const { token } = await makeRootToken(first.store, testSeals(first.seal), 0);
  const again = await openOrCreate(first.store, first.seal());
  assert.equal((await again.tokens.authenticate(token, NOW)).role, "root");
  assert.equal(again.log.frontier.size, first.log.frontier.size + 2);
  await assert.rejects(makeRootToken(openMemoryStore(), testSeals(first.seal), 0), /no vault/);
});

test("REQ-15: each record of a mutable table replaced by its own older value, removed or brought back is noticed", async () => {
  const server = await testVault();
  await commitKey(server, "k");
  const [before] = await server.store.list("key", { limit: 1 });
  const { path } = before as { path: string };
  await commitRotation(server, "k");
  const after = (await server.store.get("key", path))?.value as Uint8Array;
  await overwrite(server.store, "key", path, before?.value as Uint8Array);
  await assert.rejects(openOrCreate(server.store, server.seal()), VaultRolledBack);
  await overwrite(server.store, "key", path, after);
  await openOrCreate(server.store, server.seal());
  for (const table of MUTABLE_TABLES) {
    for (const record of await server.store.list(table, { limit: 10 })) {
      await overwrite(server.store, table, record.path, null);
      await assert.rejects(openOrCreate(server.store, server.seal()), VaultRolledBack, `${table} removed`);
      await overwrite(server.store, table, record.path, record.value);
    }
  }
  await openOrCreate(server.store, server.seal());
});

test("REQ-15: a revoked token brought back is noticed", async () => {
  const server = await testVault();
  const plan = server.tokens.create("app", "reader", 3600, NOW);
  await server.committer.submit(Buffer.from("create"), plan);
  const path = plan.changes[0]?.path as string;
  const value = (await server.store.get("token", path))?.value as Uint8Array;
  await server.committer.submit(Buffer.from("revoke"), await server.tokens.revoke(plan.result.id));
  await openOrCreate(server.store, server.seal());
  await overwrite(server.store, "token", path, value);
  await assert.rejects(openOrCreate(server.store, server.seal()), VaultRolledBack);
});

test("REQ-09: state and audit log of different generations are noticed", async () => {
  const server = await testVault();
  await commitKey(server, "k");
  const [last] = await server.store.list("audit", { limit: 1, reverse: true });
  await server.store.commit([
    { table: "audit", path: last?.path as string, value: null, expected: last?.revision as number },
  ]);
  await assert.rejects(openOrCreate(server.store, server.seal()), VaultRolledBack);
});
