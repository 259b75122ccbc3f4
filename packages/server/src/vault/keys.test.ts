import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError, type ErrorCode } from "@bunkms/contract";
import fc from "fast-check";
import { ownEntry } from "../audit/entry.ts";
import { ANY_KEY, planKey, testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Unsealed } from "../boot/unseal.ts";
import { RevisionConflict } from "../store/store.ts";
import type { KeyFilter } from "./key-filter.ts";
import type { KeySettings } from "./key-settings.ts";
import type { Plan } from "./plan.ts";

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;

const isCode = (code: ErrorCode) => (error: unknown) => error instanceof BunkmsError && error.code === code;

async function commit<T>({ committer }: Unsealed, plan: Promise<Plan<T>>): Promise<T> {
  const made = await plan;
  try {
    await committer.submit(ownEntry("test", "", NOW), made);
    return made.result;
  } finally {
    made.discard();
  }
}

test("a new key has one enabled version, an id of its own, and is the same after a restart", async () => {
  const vault = await testVault();
  const settings = { description: "for invoices", tags: { team: "a", "cost/centre": "" }, rotationPeriodSeconds: 7200 };
  const options = { purpose: "", derived: true, deterministic: false, exportable: true, imported: false };
  const { key, versions } = await commit(
    vault,
    vault.vault.keys.create("k", { typeName: "aes-256", ...options }, settings, NOW),
  );
  assert.equal(key.type.name, "aes-256");
  const { type: _, ...rest } = key;
  assert.deepEqual(rest, {
    ...{ name: "k", id: key.id, purpose: "encrypt", state: "enabled", derived: true, deterministic: false },
    ...{ exportable: true, imported: false, description: "for invoices", tags: settings.tags, createdAt: NOW },
    ...{ latestVersion: 1, minDecryptionVersion: 1, minEncryptionVersion: 1, rotationPeriodSeconds: 7200 },
    ...{ nextRotationAt: NOW + 7_200_000, deletionAt: 0, disabledAt: 0, legacyVersions: 0 },
  });
  assert.match(key.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(versions, [
    { version: 1, createdAt: NOW, state: "enabled", publicKey: Buffer.alloc(0), deletionAt: 0 },
  ]);
  const other = await commit(vault, planKey(vault.vault, "other"));
  assert.notEqual(other.key.id, key.id);
  const again = await openOrCreate(vault.store, vault.seal());
  assert.deepEqual(await again.vault.keys.get("k"), key);
  assert.deepEqual(
    (await again.vault.keys.versions(key)).map(({ version, state }) => [version, state]),
    [[1, "enabled"]],
  );
});

test("a name is taken for ever, also that of a destroyed key, whose id never comes back", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const { key } = await commit(vault, planKey(vault.vault, "k"));
  await assert.rejects(planKey(vault.vault, "k"), isCode("already_exists"));
  await commit(vault, keys.step("k", "schedule_deletion", NOW, 7));
  const destroyed = await keys.destroyDue("k", NOW + 7 * DAY);
  assert.ok(destroyed !== undefined);
  await commit(vault, Promise.resolve(destroyed));
  await assert.rejects(planKey(vault.vault, "k"), isCode("already_exists"));
  assert.deepEqual([(await keys.get("k")).id, (await keys.get("k")).state], [key.id, "destroyed"]);
});

test("COSMIAN-2026-011 of two plans that change one key only the first is written, whatever they are", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const makers: ((name: string) => Promise<Plan<unknown>>)[] = [
    (name) => keys.rotate(name, NOW),
    (name) => keys.update(name, { description: "changed" }),
    (name) => keys.step(name, "disable", NOW),
    (name) => keys.step(name, "schedule_deletion", NOW, 7),
    (name) => keys.stepVersion(name, 1, "disable", NOW),
  ];
  for (const [i, first] of makers.entries()) {
    for (const [j, second] of makers.entries()) {
      const name = `k${i}${j}`;
      await commit(vault, planKey(vault.vault, name));
      const plans = await Promise.all([first(name), second(name)]);
      const results = await Promise.allSettled(plans.map((plan) => vault.committer.submit(Buffer.from("{}"), plan)));
      assert.equal(results[0]?.status, "fulfilled", name);
      assert.ok(results[1]?.status === "rejected" && results[1].reason instanceof RevisionConflict, name);
    }
  }
});

test("nothing is planned in vain: a plan that is discarded leaves no trace, and its material is zeroed", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  const before = keys.useEpoch("k");
  const plan = await keys.rotate("k", NOW);
  const material = plan.changes.find(({ table }) => table === "key-material")?.payload as Buffer;
  assert.ok(material.some((byte) => byte !== 0));
  plan.discard();
  assert.ok(material.every((byte) => byte === 0));
  await keys.step("k", "disable", NOW);
  await keys.update("k", { description: "never" });
  assert.equal(keys.useEpoch("k"), before);
  const key = await keys.get("k");
  assert.deepEqual([key.latestVersion, key.state, key.description], [1, "enabled", ""]);
});

test("a version that is too old for a use is refused by the bound that forbids it", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, keys.rotate("k", NOW));
  const refused = async (settings: KeySettings): Promise<readonly string[]> => {
    const { key } = await commit(vault, keys.update("k", settings));
    const uses = (["make", "open"] as const).map((direction) => keys.usableVersion(key, 1, direction));
    return (await Promise.allSettled(uses)).map((use) => (use.status === "rejected" ? use.reason.message : "usable"));
  };
  const bound = (name: string) => `version 1 is older than the key's ${name}`;
  assert.deepEqual(await refused({ minEncryptionVersion: 2 }), [bound("min_encryption_version"), "usable"]);
  assert.deepEqual(await refused({ minEncryptionVersion: 1, minDecryptionVersion: 2 }), [
    bound("min_decryption_version"),
    bound("min_decryption_version"),
  ]);
});

test("the versions of a key are those that it had when it was read", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const { key } = await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, keys.rotate("k", NOW));
  assert.deepEqual(
    (await keys.versions(key)).map(({ version }) => version),
    [1],
  );
  assert.equal((await keys.versions(await keys.get("k"))).length, 2);
});

test("COSMIAN-2026-008 whoever remembers a use epoch notices each change that ends uses, and what was opened is forgotten", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const { key } = await commit(vault, planKey(vault.vault, "k", { typeName: "ecdsa-p256" }));
  const opened = await keys.open(key, 1);
  assert.equal(await keys.open(key, 1), opened, "it is kept while nothing changes");
  const publicKey = await keys.publicKey(key, 1);
  assert.equal(await keys.publicKey(key, 1), publicKey);
  for (const [i, step] of (["disable", "enable"] as const).entries()) {
    const before = keys.useEpoch("k");
    await commit(vault, keys.step("k", step, NOW));
    assert.notEqual(keys.useEpoch("k"), before, step);
    const now = await keys.get("k");
    const usable = keys.usableVersion(now, 0, "make");
    await (i === 0 ? assert.rejects(usable, isCode("wrong_key_state")) : usable);
  }
  assert.notEqual(await keys.open(key, 1), opened);
  assert.notEqual(await keys.publicKey(key, 1), publicKey);
});

test("COSMIAN-2026-008 what was read before a change does not enter the caches after it", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const { key } = await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, keys.rotate("k", NOW));
  await keys.load();
  const disabled = await keys.stepVersion("k", 1, "disable", NOW);
  const { get } = vault.store;
  const reached = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  vault.store.get = async (table, path) => {
    const record = await get(table, path);
    if (table === "key-version") {
      reached.resolve();
      await release.promise;
    }
    return record;
  };
  const usable = keys.usableVersion(key, 1, "open");
  await reached.promise;
  vault.store.get = get;
  await commit(vault, Promise.resolve(disabled));
  release.resolve();
  await usable;
  await assert.rejects(keys.usableVersion(await keys.get("k"), 1, "open"), isCode("wrong_key_state"));
});

test("COSMIAN-2026-015 COSMIAN-2026-016 no change of a key's settings or state writes its material", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k", { exportable: true }));
  await commit(vault, keys.rotate("k", NOW));
  for (const plan of [
    await keys.update("k", { description: "new", tags: { a: "b" } }),
    await keys.step("k", "disable", NOW),
    await keys.step("k", "schedule_deletion", NOW, 7),
    await keys.stepVersion("k", 1, "disable", NOW),
    await keys.stepVersion("k", 1, "schedule_deletion", NOW, 7),
  ]) {
    assert.ok(plan.changes.every(({ table }) => table === "key" || table === "key-version"));
  }
  const material = await vault.store.list("key-material", { limit: 10 });
  await commit(vault, keys.update("k", { description: "new" }));
  await commit(vault, keys.step("k", "disable", NOW));
  assert.deepEqual(await vault.store.list("key-material", { limit: 10 }), material);
});

test("settings change as they are given: what is absent stays, and tags are added, changed and removed by name", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  const update = async (settings: KeySettings) => (await commit(vault, keys.update("k", settings))).key;
  assert.deepEqual((await update({ description: "d", tags: { a: "1", b: "2" } })).tags, { a: "1", b: "2" });
  const changed = await update({ tags: { b: "3", c: "" }, removeTags: ["a", "never"] });
  assert.deepEqual([changed.description, changed.tags], ["d", { b: "3", c: "" }]);
  assert.equal((await update({ description: "" })).description, "");
  assert.equal((await update({ rotationPeriodSeconds: 3600 })).nextRotationAt > 0, true);
  assert.equal((await update({ rotationPeriodSeconds: 0 })).nextRotationAt, 0);
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`t${i}`, ""]));
  assert.equal(Object.keys((await update({ tags: many })).tags).length, 32);
  await assert.rejects(keys.update("k", { tags: { more: "" } }), isCode("invalid_request"));
  assert.equal(Object.keys((await update({ tags: { more: "" }, removeTags: ["b"] })).tags).length, 32);
  await assert.rejects(keys.update("k", { rotationPeriodSeconds: 3599 }), isCode("invalid_request"));
  await assert.rejects(keys.update("k", { minDecryptionVersion: 2 }), isCode("unknown_version"));
  await assert.rejects(keys.update("never", {}), isCode("not_found"));
});

test("REQ-38 tags with the names of prototypes are ordinary", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const names = ["constructor", "toString", "hasOwnProperty", "valueOf"];
  await commit(vault, planKey(vault.vault, "plain"));
  for (const name of names) {
    assert.deepEqual(await keys.list({ ...ANY_KEY, tag: name }, "", 10), []);
  }
  await commit(vault, keys.update("plain", { tags: Object.fromEntries(names.map((name) => [name, "value"])) }));
  await commit(vault, keys.update("plain", { removeTags: ["__proto__", "prototype"] }));
  for (const name of names) {
    assert.equal((await keys.list({ ...ANY_KEY, tag: `${name}=value` }, "", 10)).length, 1);
  }
  assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
});

test("a version that is pending deletion is due first, then the next, and the key's own deletion takes all", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  for (let i = 0; i < 3; i++) {
    await commit(vault, keys.rotate("k", NOW));
  }
  await commit(vault, keys.stepVersion("k", 2, "schedule_deletion", NOW, 9));
  await commit(vault, keys.stepVersion("k", 1, "schedule_deletion", NOW, 8));
  await commit(vault, keys.stepVersion("k", 3, "schedule_deletion", NOW, 7));
  await commit(vault, keys.stepVersion("k", 3, "cancel_deletion", NOW));
  const states = async () => (await keys.versions(await keys.get("k"))).map(({ state }) => state);
  assert.deepEqual(await states(), ["pending_deletion", "pending_deletion", "disabled", "enabled"]);
  for (const [at, due] of [
    [NOW + 8 * DAY - 1, []],
    [NOW + 8 * DAY, ["k"]],
  ] as const) {
    assert.deepEqual(keys.due(at, 10), due);
  }
  assert.equal(await keys.destroyDue("k", NOW + 8 * DAY - 1), undefined);
  const first = await keys.destroyDue("k", NOW + 8 * DAY);
  await commit(vault, Promise.resolve(first as Plan<unknown>));
  assert.deepEqual(await states(), ["destroyed", "pending_deletion", "disabled", "enabled"]);
  assert.deepEqual(keys.due(NOW + 9 * DAY - 1, 10), []);
  await commit(vault, keys.step("k", "schedule_deletion", NOW + 8 * DAY, 7));
  const all = await keys.destroyDue("k", NOW + 15 * DAY);
  await commit(vault, Promise.resolve(all as Plan<unknown>));
  assert.deepEqual(await states(), ["destroyed", "destroyed", "destroyed", "destroyed"]);
  assert.deepEqual(keys.due(Number.MAX_SAFE_INTEGER, 10), []);
  assert.deepEqual(await vault.store.list("key-material", { limit: 10 }), []);
  await openOrCreate(vault.store, vault.seal());
});

const TYPES = ["aes-256", "xaes-256-gcm", "hmac-sha256"] as const;
const STATES = ["enabled", "disabled", "pending_deletion", "pending_import"] as const;
const TAGS = ["", "team", "team=a", "team=b", "team=", "team=a=b", "Team", "tea"] as const;

interface Modelled {
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly tags: Readonly<Record<string, string>>;
}

function isFound(key: Modelled, { prefix, type, state, tag }: KeyFilter): boolean {
  const hasTag = Object.entries(key.tags).some(([name, value]) => tag === name || tag === `${name}=${value}`);
  return (
    key.name.startsWith(prefix) &&
    (type === "" || key.type === type) &&
    (state === "" || key.state === state) &&
    (tag === "" || hasTag)
  );
}

test("a search finds just the keys that fit prefix, type, state and tag, page by page in the order of their names", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  const model: Modelled[] = [];
  for (let i = 0; i < 120; i++) {
    const name = `${["a", "a.b", "B", "a-b"][i % 4]}${(i * 7919) % 120}`;
    const tags: Record<string, string> = [{}, { team: "a" }, { team: "b", x: "" }, { team: "" }, { team: "a=b" }][
      i % 5
    ] as Record<string, string>;
    const state = STATES[(i >> 2) % 4] as string;
    const typeName = TYPES[i % 3] as string;
    await commit(vault, planKey(vault.vault, name, { typeName, imported: state === "pending_import" }));
    await commit(vault, keys.update(name, { tags }));
    if (state === "disabled") {
      await commit(vault, keys.step(name, "disable", NOW));
    } else if (state === "pending_deletion") {
      await commit(vault, keys.step(name, "schedule_deletion", NOW, 7));
    }
    model.push({ name, type: typeName, state, tags });
  }
  const again = (await openOrCreate(vault.store, vault.seal())).vault.keys;
  model.sort((a, b) => (a.name < b.name ? -1 : 1));
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        prefix: fc.constantFrom("", "a", "a.", "a.b1", "B", "zz", "a-b"),
        type: fc.constantFrom("", ...TYPES, "rsa-2048"),
        state: fc.constantFrom("", ...STATES, "destroyed", "none"),
        tag: fc.constantFrom(...TAGS),
      }),
      fc.integer({ min: 1, max: 50 }),
      async (filter, size) => {
        const expected = model.filter((key) => isFound(key, filter)).map(({ name }) => name);
        for (const searched of [keys, again]) {
          const found: string[] = [];
          for (;;) {
            const page = await searched.list(filter, found.at(-1) ?? "", size);
            found.push(...page.map(({ name }) => name));
            if (page.length < size) {
              break;
            }
          }
          assert.deepEqual(found, expected);
        }
      },
    ),
    { numRuns: 300 },
  );
});
