import assert from "node:assert/strict";
import { test } from "node:test";
import { randomBytes } from "../crypto/random.ts";
import { fileSeal } from "../seal/env.ts";
import { type Seal, SealFailure, SealUnavailable } from "../seal/seal.ts";
import { plainSeal } from "../vault/root.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import { SlotChecks } from "./slot-checks.ts";
import { testVault } from "./test-vault.ts";

const NEVER = new AbortController().signal;

/** A vault with a slot of the master key and one of a key file, whose seals do as they are told. */
async function checked() {
  const unsealed = await testVault();
  const { vault, committer, store, seal } = unsealed;
  const inner: Readonly<Record<string, Seal>> = { env: seal(), file: fileSeal(randomBytes(32)) };
  const added = await vault.slots.add(plainSeal(inner["file"] as Seal), Date.now(), NEVER);
  await committer.submit(Buffer.from("add"), added);
  /** Called before a seal opens a slot; what it throws is the seal's failure. */
  const before: Record<string, () => Promise<void> | void> = {};
  const configured = new Set(["env", "file"]);
  const seals: SealSource = {
    kinds: ["env", "file"],
    forNewVault: ["env"],
    has: (kind): kind is OwnSealKind => configured.has(kind),
    open: async (kind) => {
      const found = inner[kind] as Seal;
      return {
        ...found,
        unwrap: async (...call) => {
          await before[kind]?.();
          return found.unwrap(...call);
        },
      };
    },
    renew: async (kind) => inner[kind] as Seal,
    adopt: () => {},
    close: async () => {},
  };
  const reported: string[] = [];
  const report = (_: unknown, text: string): void => {
    reported.push(text);
  };
  const checks = new SlotChecks(store, seals, vault, { info: report, warn: report, error: report });
  const slots = await vault.slots.list();
  const ids = Object.fromEntries(slots.map(({ kind, id }) => [kind, id])) as { env: string; file: string };
  return { ...unsealed, inner, before, configured, checks, ids, reported };
}

test("slots that open are said to, and a seal without settings is not asked", async () => {
  const { checks, ids, configured, before } = await checked();
  assert.equal(checks.stateOf(ids.env), undefined);
  configured.delete("file");
  before["file"] = () => assert.fail("asked");
  await checks.check();
  assert.deepEqual([checks.stateOf(ids.env), checks.stateOf(ids.file)], ["opens", undefined]);
  assert.deepEqual(checks.failing, []);
});

for (const error of [new SealUnavailable("down"), new SealFailure("another key")]) {
  test(`a slot that opened and no longer does fails while it is so: ${error.name}`, async () => {
    const { checks, ids, before, reported } = await checked();
    await checks.check();
    assert.deepEqual(checks.failing, []);
    before["file"] = () => {
      throw error;
    };
    await checks.check();
    assert.deepEqual(checks.failing, ["file"]);
    assert.deepEqual([checks.stateOf(ids.env), checks.stateOf(ids.file)], ["opens", "fails"]);
    assert.deepEqual(reported, ["a seal no longer opens its slot"]);
    delete before["file"];
    await checks.check();
    assert.deepEqual(checks.failing, []);
    assert.equal(checks.stateOf(ids.file), "opens");
  });
}

test("a slot that is removed, or gets a new root key, while its seal is asked does not fail", async () => {
  const { checks, ids, before, vault, committer, inner, reported } = await checked();
  before["env"] = async () => {
    delete before["env"];
    const plan = await vault.slots.rotateRoot(async ({ kind }) => inner[kind] as Seal, NEVER);
    await committer.submit(Buffer.from("rotate"), plan);
    plan.discard();
  };
  before["file"] = async () => {
    await committer.submit(Buffer.from("remove"), await vault.slots.remove(ids.file));
    throw new SealFailure("another key");
  };
  await checks.check();
  assert.deepEqual(reported, []);
  assert.deepEqual(checks.failing, []);
  await checks.check();
  assert.equal(checks.stateOf(ids.env), "opens");
});

test("it checks a second after the start, each ten minutes, and a second after changes, also when they come meanwhile", async (context) => {
  const { checks, before, ids, configured } = await checked();
  configured.delete("file");
  context.mock.timers.enable({ apis: ["setTimeout"] });
  context.after(() => checks.stop());
  let count = 0;
  let whileAsked = (): void => {};
  before["env"] = () => {
    count += 1;
    whileAsked();
  };
  /** Lets the time pass, and what begins then end. */
  const after = async (ms: number): Promise<number> => {
    context.mock.timers.tick(ms);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    return count;
  };
  checks.start();
  assert.equal(await after(999), 0);
  assert.equal(await after(1), 1);
  assert.equal(checks.stateOf(ids.env), "opens");
  assert.equal(await after(600_000), 2);
  checks.soon();
  assert.equal(await after(500), 2);
  checks.soon();
  assert.equal(await after(999), 2);
  whileAsked = () => {
    whileAsked = () => {};
    checks.soon();
  };
  assert.equal(await after(1), 3);
  assert.equal(await after(1_000), 4);
  assert.equal(await after(599_999), 4);
  assert.equal(await after(1), 5);
  checks.stop();
  checks.soon();
  assert.equal(await after(600_000), 5);
});

test("stopped in the middle, it asks no other seal and reports nothing", async () => {
  const { checks, before, reported } = await checked();
  for (const kind of ["env", "file"]) {
    before[kind] = () => {
      checks.stop();
      throw new SealUnavailable("closed");
    };
  }
  await checks.check();
  assert.deepEqual(reported, []);
  assert.deepEqual(checks.failing, []);
});
