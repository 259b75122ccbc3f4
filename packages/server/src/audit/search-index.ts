import type { KeyObject } from "node:crypto";
import { setTimeout as pause, setImmediate } from "node:timers/promises";
import { TILE_WIDTH } from "@bunkms/tlog";
import type { AuditLog } from "./log.ts";
import {
  findInShard,
  LOT_ENTRIES,
  type LotMatches,
  LotTerms,
  lotFingerprint,
  lotOf,
  type Mark,
  shardOf,
  termOf,
} from "./lot-terms.ts";
import { besidePruning } from "./pruning.ts";
import type { AuditTree } from "./tree.ts";

/** Where the records of lots lie. */
export interface LotStore {
  /** One of the records of each of these lots; undefined where there is none that can be read. */
  shards(lots: readonly number[], shard: number): Promise<readonly (Buffer | undefined)[]>;
  /** Writes all records of a lot, over what is there. */
  keep(lot: number, shards: readonly Buffer[]): Promise<void>;
  /** The lots that have all their records. */
  whole(): Promise<ReadonlySet<number>>;
}

/** What the index works with. */
interface SearchIndexParts {
  readonly key: KeyObject;
  readonly log: AuditLog;
  readonly tree: AuditTree;
  readonly lots: LotStore;
  /** Index of the first entry that the store still has. */
  readonly pruned: () => number;
}

const BUNDLES = LOT_ENTRIES / TILE_WIDTH;
/** So many entries are read at once, and so long calls come in between two lots, in milliseconds. */
const READ_AT_ONCE = 256;
const BETWEEN_MS = 20;
/** So many lots at most are held in memory; those that could not be written meanwhile are read again. */
const HELD = 8;
const RETRY_MS = 60_000;

/**
 * Tells which entries may have a mark, lot by lot. The newest lot is held in memory; each lot that is full gets records. These are
 * derived: where they are missing, damaged or of other entries, whoever searches looks at the lot's entries one by one, and they are
 * made again in the background.
 */
export class SearchIndex {
  readonly #parts: SearchIndexParts;
  /** The newest lot, as far as it is filled, and full ones that are not written yet. */
  readonly #held = new Map<number, LotTerms>();
  /** Full lots without records. */
  readonly #missing = new Set<number>();
  /** Lots that could not be made, and are left alone for a minute. */
  readonly #failed = new Set<number>();
  /** Index of the entry that comes next. */
  #next = -1;
  #onFailure: ((error: unknown) => void) | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isSurveyed = false;
  /** Whether something failed and was not done since: said once. */
  #isFailing = false;
  readonly #stopping = new AbortController();

  constructor(parts: SearchIndexParts) {
    this.#parts = parts;
  }

  /** Begins to make what is missing. */
  start(onFailure: (error: unknown) => void): void {
    this.#onFailure = onFailure;
    this.#work();
  }

  /** Ends the work for good, as soon as what it reads or writes just now is there. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#retry);
    await this.#working;
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Entries in the store that whoever searches looks at one by one. */
  get lag(): number {
    const { size } = this.#parts.log.frontier;
    const pruned = this.#parts.pruned();
    if (!this.#isSurveyed) {
      return size - pruned;
    }
    const lots = [...this.#missing, lotOf(size)].filter((lot) => !this.#isHeldWhole(lot));
    const entriesOf = (lot: number): number =>
      Math.max(0, Math.min(size, (lot + 1) * LOT_ENTRIES) - Math.max(pruned, lot * LOT_ENTRIES));
    return lots.reduce((sum, lot) => sum + entriesOf(lot), 0);
  }

  /** Takes entries that were appended to the log. @param first Index of the first of them. */
  append(first: number, entries: readonly Buffer[]): void {
    this.#goOn(first);
    for (const entry of entries) {
      const lot = lotOf(this.#next);
      this.#held.get(lot)?.add(entry);
      this.#next += 1;
      if (this.#next % LOT_ENTRIES === 0) {
        this.#missing.add(lot);
        this.#hold(this.#next);
        this.#work();
      }
    }
  }

  /**
   * Where entries may be that have all these marks.
   * @returns For each lot; undefined where its entries are to be looked at one by one.
   */
  async find(lots: readonly number[], marks: readonly Mark[]): Promise<readonly (LotMatches | undefined)[]> {
    const terms = marks.map((mark) => termOf(this.#parts.key, mark));
    const held = new Map(
      lots.filter((lot) => this.#isHeldWhole(lot)).map((lot) => [lot, this.#held.get(lot) as LotTerms]),
    );
    const kept = lots.filter((lot) => !held.has(lot) && (lot + 1) * LOT_ENTRIES <= this.#parts.log.frontier.size);
    const fingerprints = await this.#fingerprints(kept);
    const found = await Promise.all(
      terms.map(async (term) => {
        const shards = await this.#parts.lots.shards(kept, shardOf(term));
        const matches = shards.map((shard, i) => shard && fingerprints[i] && findInShard(shard, fingerprints[i], term));
        return new Map(kept.map((lot, i) => [lot, matches[i]]));
      }),
    );
    return lots.map((lot) => {
      const matches = terms.map((term, i) => held.get(lot)?.matches(term) ?? found[i]?.get(lot));
      if (matches.includes(undefined) && kept.includes(lot)) {
        this.#missing.add(lot);
        this.#work();
      }
      return matches.reduce(both);
    });
  }

  /** Goes on with this entry. Where it is not the next one, what is held of the newest lot has a gap: it is read anew. */
  #goOn(next: number): void {
    if (next !== this.#next) {
      this.#held.delete(lotOf(this.#next));
      for (let lot = lotOf(this.#next); this.#next >= 0 && lot < lotOf(next); lot++) {
        this.#missing.add(lot);
      }
      this.#hold(next);
      this.#work();
    }
  }

  /** Holds the lot that the next entry begins, or is the first one known of. */
  #hold(next: number): void {
    this.#held.set(lotOf(next), new LotTerms(this.#parts.key, next % LOT_ENTRIES));
    for (const old of [...this.#held.keys()].slice(0, -HELD)) {
      this.#held.delete(old);
    }
    this.#next = next;
  }

  /** Whether all entries of a lot that are in the store are held. */
  #isHeldWhole(lot: number): boolean {
    const terms = this.#held.get(lot);
    const first = lot * LOT_ENTRIES;
    const end = Math.min(LOT_ENTRIES, this.#parts.log.frontier.size - first);
    return terms !== undefined && terms.from <= Math.max(0, this.#parts.pruned() - first) && terms.end >= end;
  }

  /** What ties the records of full lots to their entries; undefined where the tree's tile was lost. */
  async #fingerprints(lots: readonly number[]): Promise<readonly (Buffer | undefined)[]> {
    const indexes = [...new Set(lots.map((lot) => placeOf(lot).tile))];
    const read = indexes.map(async (tile) => [tile, await this.#parts.tree.known(1, tile)] as const);
    const tiles = new Map(await Promise.all(read));
    return lots.map((lot) => this.#fingerprint(lot, tiles.get(placeOf(lot).tile) ?? []));
  }

  /** @param tile The hashes above a lot's bundles, among others. */
  #fingerprint(lot: number, tile: readonly Buffer[]): Buffer | undefined {
    const { first, end } = placeOf(lot);
    return tile.length < end ? undefined : lotFingerprint(this.#parts.key, tile.slice(first, end));
  }

  #work(): void {
    if (this.#onFailure !== undefined && this.#working === undefined && !this.#stopping.signal.aborted) {
      this.#working = this.#run(this.#onFailure).finally(() => {
        this.#working = undefined;
      });
    }
  }

  async #run(onFailure: (error: unknown) => void): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#survey();
      for (let lot = this.#choose(); lot !== undefined && !signal.aborted; lot = this.#choose()) {
        await this.#attempt(lot, onFailure);
        await pause(BETWEEN_MS, undefined, { signal }).catch(() => {});
      }
    } catch (error) {
      this.#fail(error, onFailure);
    }
    this.#isFailing &&= this.#failed.size > 0 || !this.#isSurveyed;
  }

  async #attempt(lot: number, onFailure: (error: unknown) => void): Promise<void> {
    try {
      await besidePruning(this.#parts.pruned, () => this.#make(lot));
    } catch (error) {
      this.#failed.add(lot);
      this.#fail(error, onFailure);
    }
  }

  /** Says so, once, and has all tried again in a minute, by searches and appends not before. */
  #fail(error: unknown, onFailure: (error: unknown) => void): void {
    if (this.#stopping.signal.aborted) {
      return;
    }
    if (!this.#isFailing) {
      this.#isFailing = true;
      onFailure(error);
    }
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#failed.clear();
      this.#work();
    }, RETRY_MS).unref();
  }

  /** Finds the full lots that have no records. */
  async #survey(): Promise<void> {
    if (this.#isSurveyed) {
      return;
    }
    const { log, lots, pruned } = this.#parts;
    const whole = await lots.whole();
    for (let lot = lotOf(pruned()); lot < lotOf(log.frontier.size); lot++) {
      if (!whole.has(lot)) {
        this.#missing.add(lot);
      }
    }
    this.#isSurveyed = true;
  }

  /** What is to be done next: what searches need most, the newest. */
  #choose(): number | undefined {
    const { log, pruned } = this.#parts;
    this.#goOn(log.frontier.size);
    const newest = lotOf(this.#next);
    let chosen = this.#isHeldWhole(newest) || this.#failed.has(newest) ? undefined : newest;
    for (const lot of this.#missing) {
      if (lot < lotOf(pruned())) {
        this.#missing.delete(lot);
      } else if (lot !== newest && !this.#failed.has(lot) && (chosen === undefined || lot > chosen)) {
        chosen = lot;
      }
    }
    return chosen;
  }

  /** Reads what is not held of a lot, and writes its records if it is full. @throws RangeError when an entry is missing. */
  async #make(lot: number): Promise<void> {
    const { key, tree, lots, pruned } = this.#parts;
    const { signal } = this.#stopping;
    const first = lot * LOT_ENTRIES;
    const from = Math.max(first, pruned());
    const held = this.#held.get(lot);
    const end = first + (held?.from ?? LOT_ENTRIES);
    const read = new LotTerms(key, from - first);
    for (let next = from; next < end && !signal.aborted; next += READ_AT_ONCE) {
      for (const entry of await tree.entries(next, Math.min(end, next + READ_AT_ONCE))) {
        read.add(entry);
      }
      await setImmediate();
    }
    if (held !== undefined && read.from < held.from && !signal.aborted) {
      held.absorb(read);
    }
    const terms = held ?? read;
    if (terms.end < LOT_ENTRIES || signal.aborted) {
      return;
    }
    const place = placeOf(lot);
    const fingerprint = this.#fingerprint(lot, await tree.tile(1, place.tile, place.end)) as Buffer;
    const shards: Buffer[] = [];
    for (const shard of terms.encode(fingerprint)) {
      shards.push(shard);
      await setImmediate();
    }
    if (lot >= lotOf(pruned()) && !signal.aborted) {
      await lots.keep(lot, shards);
    }
    this.#missing.delete(lot);
    this.#held.delete(lot);
  }
}

/** Where the tree has the hashes of a lot's bundles: in which tile of level 1, from which hash to before which. */
function placeOf(lot: number): { readonly tile: number; readonly first: number; readonly end: number } {
  const first = (lot * BUNDLES) % TILE_WIDTH;
  return { tile: Math.floor((lot * BUNDLES) / TILE_WIDTH), first, end: first + BUNDLES };
}

/** Positions that are in both. */
function both(a: LotMatches | undefined, b: LotMatches | undefined): LotMatches | undefined {
  if (a === undefined || b === undefined) {
    return undefined;
  }
  const others = new Set(b.positions);
  return { positions: a.positions.filter((position) => others.has(position)), oldest: a.oldest };
}
