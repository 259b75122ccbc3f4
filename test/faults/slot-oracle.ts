/** What a killed server must still know of its seal slots: kept outside of it, by those who change them. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openVault } from "../../packages/server/src/boot/unseal.ts";
import { envSeal, fileSeal } from "../../packages/server/src/seal/env.ts";
import type { Seal } from "../../packages/server/src/seal/seal.ts";
import { shamirOpener } from "../../packages/server/src/seal/shamir.ts";
import { ShareCollector } from "../../packages/server/src/seal/share-collector.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import type { Store, Table } from "../../packages/server/src/store/store.ts";
import { barrierKeyVersion } from "../../packages/server/src/vault/record.ts";
import { type OpenedRoot, openSlot, readSlots } from "../../packages/server/src/vault/root.ts";
import { type Slot, slotDigest } from "../../packages/server/src/vault/slot.ts";

/** A change that had no answer: done or not. */
export type Doubt =
  | { readonly change: "add"; readonly kind: string }
  | { readonly change: "remove" | "rewrap"; readonly id: string }
  | { readonly change: "rotate" };

/** A slot that was acknowledged, or found after a change that was not. */
interface KnownSlot {
  readonly kind: string;
  /** Of a shamir slot: enough of them; undefined where nobody was told any. */
  readonly shares: readonly string[] | undefined;
}

const NEVER = new AbortController().signal;
const SEALED_TABLES: readonly Table[] = [
  ...["meta", "key", "key-version", "key-material", "key-usage", "alias"],
  ...["secret", "secret-version", "secret-value", "token", "audit"],
] as readonly Table[];

/** What was found in a store whose server is gone. */
export interface FoundVault {
  readonly barrierVersion: number;
  readonly hasOldBarrier: boolean;
  /** Barrier keys that records lie under. */
  readonly usedBarriers: ReadonlySet<number>;
}

/** The slots as those who changed them know them, with the keys of seals `env` and `file`. */
export class SlotOracle {
  readonly slots = new Map<string, KnownSlot>();
  /** Slots whose rewrapping was acknowledged since the store was last looked at. */
  readonly rewrapped = new Set<string>();
  doubt: Doubt | undefined;
  readonly #keys = { env: randomBytes(32), file: randomBytes(32) } as const;
  readonly #dataPath: string;
  readonly env: Readonly<Record<string, string>>;
  /** As they lay in the store when it was last looked at, and what was known of them then. */
  #stored = new Map<string, { readonly slot: Slot; readonly known: KnownSlot }>();

  /** @param folder For the key files; the data lie in `data`. */
  constructor(folder: string) {
    this.#dataPath = join(folder, "data");
    const paths = { env: join(folder, "env.key"), file: join(folder, "file.key") };
    for (const kind of ["env", "file"] as const) {
      writeFileSync(paths[kind], this.#keys[kind].toString("hex"), { mode: 0o600 });
    }
    this.env = { BUNKMS_MASTER_KEY_FILE: paths.env, BUNKMS_SEAL_FILE: paths.file };
  }

  /** Ids of slots that somebody can open. */
  get openable(): readonly string[] {
    return [...this.slots].filter(([, slot]) => slot.kind !== "shamir" || slot.shares !== undefined).map(([id]) => id);
  }

  hasKind(kind: string): boolean {
    return [...this.slots.values()].some((slot) => slot.kind === kind);
  }

  /** Shares that open a slot, if one of shares can be opened. */
  get shares(): readonly string[] | undefined {
    return [...this.slots.values()].find(({ shares }) => shares !== undefined)?.shares;
  }

  /**
   * Takes the slots of a store as those that are known. Without any there must be nothing at all.
   * @param shares Enough of a shamir slot's; none when nobody was told them.
   * @returns Their kinds.
   */
  async adopt(shares: readonly string[]): Promise<readonly string[]> {
    const store = await openSqliteStore(this.#dataPath);
    try {
      const found = await readSlots(store);
      for (const { id, kind } of found) {
        this.slots.set(id.toString("hex"), { kind, shares: shares.length === 0 ? undefined : shares });
      }
      for (const table of found.length === 0 ? SEALED_TABLES : []) {
        assert.deepEqual(await store.list(table, { limit: 1 }), [], `${table} has records, and there is no slot`);
      }
      return found.map(({ kind }) => kind);
    } finally {
      await store.close();
    }
  }

  /**
   * Looks into the store: the slots are those that are known, but for what was in doubt; each opens the same vault, all of
   * whose records can be read; and what a slot was before an acknowledged change opens nothing.
   */
  async verify(): Promise<FoundVault> {
    const store = await openSqliteStore(this.#dataPath);
    try {
      const found = new Map((await readSlots(store)).map((slot) => [slot.id.toString("hex"), slot]));
      this.#settle(found);
      assert.deepEqual([...found.keys()].toSorted(), [...this.slots.keys()].toSorted(), "other slots than known");
      await this.#verifyGone(store, found);
      this.#remember(found);
      const roots = new Set<string>();
      let vault: FoundVault | undefined;
      for (const id of this.openable) {
        const { slot, known } = this.#stored.get(id) as { slot: Slot; known: KnownSlot };
        const opened = await openSlot(slot, this.#opener(slot, known), NEVER);
        roots.add(opened.root.key.toString("hex"));
        // It is the same vault, so that its records need not be read again.
        vault ??= await readAll(store, opened);
        await openVault(store, opened);
      }
      assert.equal(roots.size, 1, "slots hold different root keys");
      return vault ?? assert.fail("no slot opens the vault");
    } finally {
      await store.close();
    }
  }

  /** What was in doubt is as the store says. */
  #settle(found: ReadonlyMap<string, Slot>): void {
    const { doubt } = this;
    this.doubt = undefined;
    if (doubt?.change === "remove" && !found.has(doubt.id)) {
      this.slots.delete(doubt.id);
    } else if (doubt?.change === "add") {
      const added = [...found].find(([id, { kind }]) => !this.slots.has(id) && kind === doubt.kind);
      if (added !== undefined) this.slots.set(added[0], { kind: doubt.kind, shares: undefined });
    } else if (doubt?.change === "rewrap") {
      const [before, now] = [this.#stored.get(doubt.id)?.slot, found.get(doubt.id)];
      const known = this.slots.get(doubt.id) as KnownSlot;
      // Nobody was told the shares of a set that was made without an answer.
      if (now !== undefined && before?.parameters.equals(now.parameters) !== true && !this.#opens(now, known)) {
        this.slots.set(doubt.id, { ...known, shares: undefined });
      }
    }
  }

  #opens(slot: Slot, { shares }: KnownSlot): boolean {
    try {
      return shares !== undefined && seedOf(slot, shares) !== undefined;
    } catch {
      return false;
    }
  }

  /** Slots that were in the store once, and are not any more as they were: put back, they would open nothing. */
  async #verifyGone(store: Store, found: ReadonlyMap<string, Slot>): Promise<void> {
    for (const [id, { slot, known }] of this.#stored) {
      const now = found.get(id);
      if (now !== undefined && slotDigest(now).equals(slotDigest(slot))) {
        assert.ok(!this.rewrapped.has(id), `the ${slot.kind} slot is as it was before an acknowledged rewrapping`);
        continue;
      }
      if (slot.kind === "shamir" && known.shares === undefined) continue;
      const opened = await openSlot(slot, this.#opener(slot, known), NEVER);
      await assert.rejects(openVault(store, opened), `a ${slot.kind} slot that was removed or changed still opens`);
    }
    this.rewrapped.clear();
  }

  #remember(found: ReadonlyMap<string, Slot>): void {
    this.#stored = new Map(
      [...found].map(([id, slot]) => [id, { slot, known: this.slots.get(id) as KnownSlot }] as const),
    );
  }

  #opener(slot: Slot, { shares = [] }: KnownSlot): Pick<Seal, "kind" | "unwrap"> {
    if (slot.kind === "env") return envSeal(Buffer.from(this.#keys.env));
    if (slot.kind === "file") return fileSeal(Buffer.from(this.#keys.file));
    return shamirOpener(slot.parameters, seedOf(slot, shares) ?? assert.fail("too few shares"));
  }
}

function seedOf({ cluster, parameters }: Slot, shares: readonly string[]) {
  const collector = new ShareCollector(cluster, [{ slotId: "s", parameters }]);
  return shares.map((share) => collector.offer(share)).at(-1)?.seed;
}

async function readAll(store: Store, opened: OpenedRoot): Promise<FoundVault> {
  const { vault } = await openVault(store, opened);
  const usedBarriers = new Set<number>();
  for (const table of SEALED_TABLES) {
    let after = "";
    for (let page = await next(store, table, after); page.length > 0; page = await next(store, table, after)) {
      for (const { path, value } of page) {
        after = path;
        if (table === "meta" && path !== "state") continue;
        usedBarriers.add(barrierKeyVersion(value) ?? assert.fail(`${table}/${path} is under no barrier key`));
        await vault.records.read(table, path);
      }
    }
  }
  const { barrierVersion, hasOldBarrier } = vault.records;
  return { barrierVersion, hasOldBarrier, usedBarriers };
}

function next(store: Store, table: Table, after: string): ReturnType<Store["list"]> {
  return store.list(table, { limit: 1_000, ...(after === "" ? {} : { after }) });
}
