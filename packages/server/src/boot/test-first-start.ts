import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Services } from "../operations/operation.ts";
import type { IssuedRootToken } from "../operations/seal-control.ts";
import { type Seal, SealUnavailable } from "../seal/seal.ts";
import type { Table } from "../store/store.ts";
import { readSlots } from "../vault/root.ts";
import { SLOT_PREFIX } from "../vault/slot.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import { Keeper } from "./keeper.ts";
import { FaultyStore, testSeal } from "./test-vault.ts";
import type { Witness } from "./witness.ts";

const KINDS = ["env", "transit"] as const;
const SHARES = { shares: 1, threshold: 1, recipients: [] };
const TABLES: readonly Table[] = ["meta", "audit", "token", "key"];

/** A keeper of an empty store, for a vault with a slot of each kind, whose seal `transit` does as it is told. */
export interface Empty {
  readonly keeper: Keeper;
  readonly store: FaultyStore;
  readonly forNewVault: SealSource["forNewVault"];
  /** Called before the seal wraps; what it throws is the seal's failure. */
  beforeWrap: (signal: AbortSignal) => Promise<void> | void;
  /** What seals were given to wrap. */
  readonly rootKeys: Uint8Array[];
  readonly made: readonly IssuedRootToken[];
  /** How often a vault was opened. */
  opened: number;
  /** Texts of warnings and errors, with the seals that they name. */
  readonly reported: readonly string[];
  /** How often the seal was asked. */
  tries: number;
  /** How many commits stored slots. What is written after a vault's making, such as the log's checkpoint, is none of them. */
  makings: number;
}

/**
 * @param context Mocks the timers of the retries, and those of seals that do not answer.
 * @param forNewVault The seals of the new vault.
 */
export function emptyStore(
  context: TestContext,
  forNewVault: SealSource["forNewVault"] = KINDS,
  witness?: Witness,
): Empty {
  const store = new FaultyStore();
  const { commit } = store;
  store.commit = async (writes) => {
    const revisions = await commit(writes);
    empty.makings += writes.some(({ path }) => path.startsWith(SLOT_PREFIX)) ? 1 : 0;
    return revisions;
  };
  const inner = testSeal()();
  const wrapping = (kind: OwnSealKind): Seal => ({
    ...inner,
    kind,
    wrap: async (rootKey, slot, signal) => {
      empty.rootKeys.push(rootKey);
      if (kind === "transit") {
        empty.tries += 1;
        await empty.beforeWrap(signal);
      }
      return inner.wrap(rootKey, slot, signal);
    },
  });
  const seals: SealSource = {
    kinds: KINDS,
    forNewVault,
    has: (kind): kind is OwnSealKind => (KINDS as readonly string[]).includes(kind),
    open: async (kind) => wrapping(kind),
    renew: async (kind) => wrapping(kind),
    adopt: () => {},
    close: async () => {},
  };
  const made: IssuedRootToken[] = [];
  const reported: string[] = [];
  const report = (what: Readonly<Record<string, unknown>>, text: string): void => {
    reported.push([what["seal"] ?? what["seals"] ?? "", text].flat().join(" ").trim());
  };
  const keeper = new Keeper({
    store,
    seals,
    rootTokenTtl: 0,
    clock: Date.now,
    services: () => ({}) as Services,
    servicesWhileSealed: () => ({}) as Services,
    onMade: (token) => made.push(token),
    onOpen: () => {
      empty.opened += 1;
    },
    beforeSeal: async () => {},
    report: { info: () => {}, warn: report, error: report },
    witness,
  });
  const empty: Empty = {
    keeper,
    store,
    forNewVault,
    beforeWrap: down,
    rootKeys: [],
    made,
    opened: 0,
    reported,
    tries: 0,
    makings: 0,
  };
  // The second is not in the declaration yet.
  context.mock.timers.enable({ apis: ["setTimeout", "AbortSignal.timeout" as "setTimeout"] });
  context.after(() => keeper.close());
  return empty;
}

/** What a seal does that cannot be reached. */
export function down(): never {
  throw new SealUnavailable("down");
}

/** Lets all else go on until this is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets all that is under way come to its end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise that a test fulfils. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

/** Has the seal say when it is asked, and answer when it is let. */
export function hold(empty: Empty): { readonly asked: Promise<void>; readonly answer: () => void } {
  const asked = gate();
  const answered = gate();
  empty.beforeWrap = () => {
    asked.open();
    return answered.passed;
  };
  return { asked: asked.passed, answer: answered.open };
}

/** Makes the vault as an operator does, and what the pipeline does with what comes of it. */
export async function initialise({ keeper }: Empty): Promise<string> {
  const { result, plan, recorder } = await keeper.initialise(SHARES);
  try {
    await recorder.submit(Buffer.from("initialise"), plan);
    return result.root.token;
  } finally {
    plan.discard();
  }
}

/** That the server makes the vault by itself, and refuses whoever asks for it, without asking a seal. */
export async function assertRefused(empty: Empty): Promise<void> {
  const { tries } = empty;
  const text = /^the server makes the vault by itself, as soon as its seals can be reached: env, transit; /;
  for (const request of [SHARES, { ...SHARES, shares: 0, threshold: 0 }]) {
    await assert.rejects(empty.keeper.initialise(request), { code: "seal_unavailable", message: text });
  }
  assert.equal(empty.tries, tries);
}

/** How many rows the store has. */
export async function storedRows({ store }: Empty): Promise<number> {
  const tables = TABLES.map((table) => store.list(table, { limit: 100 }));
  return (await Promise.all(tables)).flat().length;
}

/** That there is one vault, made once with a slot of each kind, and that this is its root token. */
export async function assertOpen(
  { keeper, store, forNewVault, opened, makings }: Empty,
  token: string | undefined,
): Promise<void> {
  assert.deepEqual([opened, makings], [1, 1]);
  assert.equal(keeper.status().initialised, true);
  assert.equal(keeper.notReady(), undefined);
  assert.deepEqual((await readSlots(store)).map(({ kind }) => kind).toSorted(), forNewVault.toSorted());
  const { tokens, log } = keeper.unsealed ?? assert.fail("it is not open");
  assert.equal((await tokens.authenticate(token, Date.now())).role, "root");
  assert.equal((await tokens.list("", 10)).length, 1);
  assert.equal(log.frontier.size, 1);
}

/** That no root key is in memory. */
export function assertForgotten(rootKeys: readonly Uint8Array[]): void {
  assert.ok(rootKeys.length > 0);
  for (const key of rootKeys) assert.ok(key.every((byte) => byte === 0));
}
