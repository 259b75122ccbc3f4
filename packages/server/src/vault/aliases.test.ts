import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { ownEntry } from "../audit/entry.ts";
import { testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Unsealed } from "../boot/unseal.ts";
import { RevisionConflict } from "../store/store.ts";
import type { Plan } from "./plan.ts";

const NOW = Date.UTC(2026, 0, 1);

const isNotFound = (error: unknown) => error instanceof BunkmsError && error.code === "not_found";

async function commit({ committer }: Unsealed, plan: Promise<Plan<unknown>>): Promise<void> {
  await committer.submit(ownEntry("test", "", NOW), await plan);
}

test("an alias leads to a key's name, is moved and removed, and is the same after a restart", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  assert.equal(await aliases.keyName("a"), undefined);
  await assert.rejects(aliases.get("a"), isNotFound);
  await commit(vault, aliases.set("a", "first", NOW));
  assert.deepEqual(await aliases.get("a"), { alias: "a", keyName: "first", updatedAt: NOW });
  await commit(vault, aliases.set("a", "second", NOW + 1));
  await commit(vault, aliases.set("b", "second", NOW));
  for (const each of [aliases, (await openOrCreate(vault.store, vault.seal())).vault.aliases]) {
    assert.equal(await each.keyName("a"), "second");
    assert.deepEqual(
      (await each.list("", "second", "", 10)).map(({ alias }) => alias),
      ["a", "b"],
    );
    assert.deepEqual(await each.list("", "first", "", 10), []);
  }
  const again = await openOrCreate(vault.store, vault.seal());
  await commit(again, again.vault.aliases.delete("a"));
  assert.equal(await again.vault.aliases.keyName("a"), undefined);
  await assert.rejects(again.vault.aliases.delete("a"), isNotFound);
  await openOrCreate(vault.store, vault.seal());
});

test("a list of aliases goes page by page in the order of their names, of one key or of all", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  const names = Array.from({ length: 40 }, (_, i) => `${["x", "x.y", "X"][i % 3]}${(i * 17) % 40}`);
  for (const [i, name] of names.entries()) {
    await commit(vault, aliases.set(name, i % 4 === 0 ? "rare" : "common", NOW));
  }
  for (const prefix of ["", "x", "x.", "X", "none"]) {
    for (const keyName of ["", "rare", "none"]) {
      const expected = names
        .filter((name, i) => name.startsWith(prefix) && (keyName === "" || (keyName === "rare" && i % 4 === 0)))
        .sort((a, b) => (a < b ? -1 : 1));
      const found: string[] = [];
      for (let page = await aliases.list(prefix, keyName, "", 7); page.length > 0; ) {
        found.push(...page.map(({ alias }) => alias));
        page = await aliases.list(prefix, keyName, found.at(-1) as string, 7);
      }
      assert.deepEqual(found, expected, `${prefix} ${keyName}`);
    }
  }
});

test("COSMIAN-2026-011 of two moves of one alias at once only the first is written", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  await commit(vault, aliases.set("a", "first", NOW));
  const plans = await Promise.all([
    aliases.set("a", "second", NOW),
    aliases.set("a", "third", NOW),
    aliases.delete("a"),
    aliases.set("new", "first", NOW),
    aliases.set("new", "second", NOW),
  ]);
  const results = await Promise.allSettled(plans.map((plan) => vault.committer.submit(Buffer.from("{}"), plan)));
  assert.deepEqual(
    results.map((result) => result.status === "fulfilled" || (result.reason instanceof RevisionConflict && "outdated")),
    [true, "outdated", "outdated", true, "outdated"],
  );
  assert.deepEqual([await aliases.keyName("a"), await aliases.keyName("new")], ["second", "first"]);
});

test("while an alias is moved again and again no reading finds nothing, whether from the cache or from the store", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  await commit(vault, aliases.set("a", "0", NOW));
  let moving = true;
  const seen = new Set<string | undefined>();
  const read = async (reload: boolean): Promise<void> => {
    while (moving) {
      if (reload) {
        await aliases.load();
      }
      seen.add(await aliases.keyName("a"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const readers = [read(false), read(false), read(true)];
  for (let i = 1; i <= 200; i++) {
    await commit(vault, aliases.set("a", String(i), NOW));
    assert.equal(await aliases.keyName("a"), String(i));
  }
  moving = false;
  await Promise.all(readers);
  assert.ok(!seen.has(undefined));
  assert.ok(seen.size > 10);
});

test("a list goes on without an alias that is removed while it is read", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  for (const name of ["a", "b", "c"]) {
    await commit(vault, aliases.set(name, "key", NOW));
  }
  await aliases.load();
  const { getMany } = vault.store;
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  vault.store.getMany = async (table, paths) => {
    if (table === "alias") {
      reached.resolve();
      await release.promise;
    }
    return getMany(table, paths);
  };
  const listed = aliases.list("", "key", "", 10);
  await reached.promise;
  vault.store.getMany = getMany;
  await commit(vault, aliases.delete("b"));
  release.resolve();
  const names = (await listed).map(({ alias }) => alias);
  assert.deepEqual(names, ["a", "c"]);
});

test("REQ-38 aliases with the names of prototypes are ordinary", async () => {
  const vault = await testVault();
  const { aliases } = vault.vault;
  for (const name of ["constructor", "toString", "__proto__"]) {
    assert.equal(await aliases.keyName(name), undefined);
    await commit(vault, aliases.set(name, "key", NOW));
    assert.equal(await aliases.keyName(name), "key");
  }
});
