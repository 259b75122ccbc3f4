import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Services } from "../operations/operation.ts";
import { type Seal, SealUnavailable } from "../seal/seal.ts";
import { RevisionConflict, StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { decodeSlot, encodeSlot, SLOT_PREFIX } from "../vault/slot.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import { Keeper } from "./keeper.ts";
import { issueShares } from "./shamir-slots.ts";
import { type FaultyStore, testVault } from "./test-vault.ts";
import type { Unsealed } from "./unseal.ts";

const NEVER = new AbortController().signal;

/** A keeper of a vault with a slot of the master key and one of shares, whose seal `env` does as it is told. */
interface Kept {
  readonly keeper: Keeper;
  readonly store: FaultyStore;
  readonly shares: readonly string[];
  /** Called before the seal opens a slot; what it throws is the seal's failure. */
  beforeUnwrap: () => Promise<void> | void;
  readonly opened: readonly Unsealed[];
  /** Texts of warnings and errors. */
  readonly reported: readonly string[];
}

/** @param context Mocks the timers of the retries. */
async function keep(context: TestContext): Promise<Kept> {
  const { vault, committer, store, seal } = await testVault();
  const { seal: shares, issued } = await issueShares(vault.root.cluster, { shares: 2, threshold: 2, recipients: [] });
  const added = await vault.slots.add(shares, Date.now(), NEVER);
  await committer.submit(Buffer.from("add"), added as Plan<unknown>);
  const inner = seal();
  const env: Seal = {
    ...inner,
    unwrap: async (...call) => {
      await kept.beforeUnwrap();
      return inner.unwrap(...call);
    },
  };
  const seals: SealSource = {
    kinds: ["env"],
    forNewVault: ["env"],
    has: (kind): kind is OwnSealKind => kind === "env",
    open: async () => env,
    renew: async () => env,
    adopt: () => {},
    close: async () => {},
  };
  const opened: Unsealed[] = [];
  const reported: string[] = [];
  const report = (_: unknown, text: string): void => {
    reported.push(text);
  };
  const keeper = new Keeper({
    store,
    seals,
    rootTokenTtl: 0,
    clock: Date.now,
    services: () => ({}) as Services,
    servicesWhileSealed: () => ({}) as Services,
    onMade: () => assert.fail("there was a vault"),
    onOpen: (unsealed) => opened.push(unsealed),
    beforeSeal: async () => {},
    report: { info: () => {}, warn: report, error: report },
  });
  const kept: Kept = { keeper, store, shares: issued.texts, beforeUnwrap: down, opened, reported };
  context.mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => keeper.close());
  return kept;
}

function down(): never {
  throw new SealUnavailable("down");
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** Offers shares enough, and does what the pipeline does with what comes of it. */
async function unseal({ keeper, shares }: Kept): Promise<void> {
  for (const share of shares) {
    const opening = await keeper.offer(share, "127.0.0.1");
    await opening?.recorder.submit(Buffer.from("unseal"), opening.plan);
    opening?.plan.discard();
  }
}

/** A promise that a test fulfils. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

test("a seal that is down is tried again after 1, 2, 4 … 60 seconds, and opens the vault when it is back", async (context) => {
  const kept = await keep(context);
  const { keeper } = kept;
  let tries = 0;
  kept.beforeUnwrap = () => {
    tries += 1;
    down();
  };
  await keeper.start();
  assert.equal(keeper.status().state, "waiting");
  assert.deepEqual(keeper.status().failing, ["env"]);
  // Not of whichever slot is the first in the store.
  assert.equal(keeper.status().kind, "env");
  assert.match(keeper.notReady()?.message ?? "", /waits for a seal to be reached: env/);
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const before = tries;
    context.mock.timers.tick(1_000 * seconds - 1);
    assert.equal(tries, before);
    context.mock.timers.tick(1);
    await until(() => kept.reported.filter((text) => text.startsWith("waiting")).length === before + 1);
    assert.equal(tries, before + 1, `after ${seconds} seconds`);
  }
  kept.beforeUnwrap = () => {};
  context.mock.timers.tick(60_000);
  await until(() => kept.opened.length === 1);
  assert.equal(keeper.status().state, "unsealed");
  assert.equal(keeper.status().kind, "env");
});

/** A vault that shares open while the seal is asked, which answers when the gate is opened. */
async function unsealedWhileAsked(context: TestContext) {
  const kept = await keep(context);
  await kept.keeper.start();
  const asked = gate();
  const answered = gate();
  kept.beforeUnwrap = () => {
    asked.open();
    return answered.passed;
  };
  context.mock.timers.tick(1_000);
  await asked.passed;
  await unseal(kept);
  return { kept, answered };
}

test("shares that come while a seal is asked open the vault once, and the late answer changes nothing", async (context) => {
  const { kept, answered } = await unsealedWhileAsked(context);
  const { keeper, opened } = kept;
  assert.equal(keeper.status().kind, "shamir");
  answered.open();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(opened.length, 1);
  assert.equal(keeper.status().kind, "shamir");
});

test("a vault that was opened by shares and sealed again stays sealed when a seal answers late", async (context) => {
  const { kept, answered } = await unsealedWhileAsked(context);
  const { keeper, opened } = kept;
  const plan = await keeper.seal();
  await opened[0]?.committer.submit(Buffer.from("seal"), plan as Plan<unknown>);
  answered.open();
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(keeper.current, undefined);
  assert.equal(keeper.status().state, "sealed");
});

test("shares that do not open it after all, while a seal is asked, do not end the tries", async (context) => {
  const kept = await keep(context);
  const { keeper, store, opened } = kept;
  await keeper.start();
  kept.beforeUnwrap = () => {};
  const [first = "", second = ""] = kept.shares;
  await keeper.offer(first, "127.0.0.1");
  const opening = await keeper.offer(second, "127.0.0.1");
  // They are enough, and are about to be recorded when the seal's next try comes.
  context.mock.timers.tick(1_000);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  store.beforeCommit = () => {
    throw new StoreUnavailable("full");
  };
  await assert.rejects(opening?.recorder.submit(Buffer.from("unseal"), opening.plan) ?? assert.fail());
  opening?.plan.discard();
  assert.equal(opened.length, 0);
  store.beforeCommit = () => {};
  context.mock.timers.tick(2_000);
  await until(() => opened.length === 1);
  assert.equal(keeper.status().kind, "env");
});

test("a store that fails when the seal is back does not end the tries", async (context) => {
  const kept = await keep(context);
  const { keeper, store, opened, reported } = kept;
  await keeper.start();
  kept.beforeUnwrap = () => {};
  store.beforeCommit = () => {
    throw new StoreUnavailable("full");
  };
  context.mock.timers.tick(1_000);
  await until(() => reported.includes("the vault was not opened"));
  assert.equal(keeper.status().state, "waiting");
  store.beforeCommit = () => {};
  context.mock.timers.tick(2_000);
  await until(() => opened.length === 1);
  assert.equal(keeper.status().state, "unsealed");
});

test("a seal that fails late does not open a vault that was opened by shares and then sealed by hand", async (context) => {
  const kept = await keep(context);
  const { keeper, opened } = kept;
  await keeper.start();
  const asked = gate();
  const answered = gate();
  kept.beforeUnwrap = async () => {
    asked.open();
    await answered.passed;
    down();
  };
  context.mock.timers.tick(1_000);
  await asked.passed;
  await unseal(kept);
  const sealing = await keeper.seal();
  await keeper.current?.committer.submit(Buffer.from("seal"), sealing as Plan<unknown>);
  sealing.discard();
  assert.equal(keeper.status().state, "sealed");
  answered.open();
  kept.beforeUnwrap = () => {};
  for (let seconds = 0; seconds < 200; seconds++) {
    context.mock.timers.tick(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(keeper.status().state, "sealed");
  assert.equal(opened.length, 1);
});

test("a slot of shares that is damaged keeps no other slot from opening the vault", async (context) => {
  const kept = await keep(context);
  const { keeper, store } = kept;
  for (const { path, value, revision } of await store.list("meta", { prefix: SLOT_PREFIX, limit: 10 })) {
    const slot = decodeSlot(value);
    if (slot?.kind === "shamir") {
      slot.parameters.writeUInt8(0xff, 0);
      await store.commit([{ table: "meta", path, value: encodeSlot(slot), expected: revision }]);
    }
  }
  kept.beforeUnwrap = () => {};
  await keeper.start();
  assert.equal(keeper.status().kind, "env");
});

test("CVE-2026-5807, REQ-28: right shares are taken after any number of wrong ones from the same address", async (context) => {
  const kept = await keep(context);
  const { keeper, shares } = kept;
  await keeper.start();
  const codes = new Set<string>();
  for (let i = 0; i < 30; i++) {
    await keeper.offer("nonsense", "127.0.0.1").catch((error) => codes.add(error.code));
  }
  assert.deepEqual([...codes], ["invalid_share", "too_many_requests"]);
  assert.equal(await keeper.offer(shares[0] as string, "127.0.0.1"), undefined);
  assert.equal(keeper.status().progress, 1);
});

test("CVE-2026-5807: a slot of shares that somebody puts into the store makes no root token", async (context) => {
  const kept = await keep(context);
  const { keeper, store } = kept;
  kept.beforeUnwrap = () => {};
  await keeper.start();
  const own = await issueShares(keeper.unsealed?.vault.root.cluster as Buffer, {
    shares: 1,
    threshold: 1,
    recipients: [],
  });
  for (const { path, value, revision } of await store.list("meta", { prefix: SLOT_PREFIX, limit: 10 })) {
    const slot = decodeSlot(value);
    if (slot?.kind === "shamir") {
      const planted = encodeSlot({ ...slot, parameters: own.seal.parameters });
      await store.commit([{ table: "meta", path, value: planted, expected: revision }]);
    }
  }
  await assert.rejects(keeper.offerForRootToken("", own.issued.texts[0] as string, "127.0.0.1"), /share/);
});

test("a root token by shares is not made when the slot was removed meanwhile", async (context) => {
  const kept = await keep(context);
  const { keeper, shares } = kept;
  kept.beforeUnwrap = () => {};
  await keeper.start();
  const { vault, committer } = keeper.unsealed as Unsealed;
  const { attempt } = await keeper.offerForRootToken("", shares[0] as string, "127.0.0.1");
  const { issued } = await keeper.offerForRootToken(attempt, shares[1] as string, "127.0.0.1");
  const [slot] = (await vault.slots.list()).filter(({ kind }) => kind === "shamir");
  await committer.submit(Buffer.from("remove"), (await vault.slots.remove(slot?.id as string)) as Plan<unknown>);
  await assert.rejects(committer.submit(Buffer.from("token"), issued?.plan), RevisionConflict);
});

test("a rotation of the root key in the commit after that of the sealing leaves no key in memory", async (context) => {
  const kept = await keep(context);
  const { keeper } = kept;
  kept.beforeUnwrap = () => {};
  await keeper.start();
  const { vault, committer } = keeper.unsealed as Unsealed;
  const env = await keeper.slots.newSeal("env", { shares: 0, threshold: 0, recipients: [] });
  const rotation = await vault.slots.rotateRoot(
    async (slot, psk) => (slot.kind === "shamir" ? keeper.slots.sealFor(slot, psk) : env.seal.seal),
    NEVER,
  );
  const sealing = await keeper.seal();
  await Promise.allSettled([
    committer.submit(Buffer.from("seal"), sealing as Plan<unknown>),
    committer.submit(Buffer.from("rotate"), rotation as Plan<unknown>),
  ]);
  sealing.discard();
  rotation.discard();
  assert.equal(keeper.status().state, "sealed");
  assert.deepEqual(vault.root.key, Buffer.alloc(32));
});
