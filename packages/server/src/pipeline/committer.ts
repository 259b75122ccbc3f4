import { MAX_ENTRY_BYTES } from "@bunkms/tlog";
import type { Checkpoints } from "../audit/checkpoints.ts";
import { type AuditLog, EntryTooLong, type LogEnd } from "../audit/log.ts";
import { RevisionConflict, type Table } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import type { Change, Records } from "../vault/records.ts";
import { tileRecord } from "./audit-batches.ts";

interface Item {
  readonly entry: Buffer;
  readonly plan: Plan<unknown> | undefined;
  /** Whether its caller waits for a checkpoint that covers the entry. */
  readonly wantsReceipt: boolean;
  readonly resolve: (index: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Items that were committed, the first with this index in the log. */
interface Committed {
  readonly items: readonly Item[];
  readonly first: number;
}

/** What the committer commits to. */
interface Targets {
  readonly records: Records;
  readonly log: AuditLog;
  readonly checkpoints: Checkpoints;
  /** Where the stored log ends, with the generation that its last batch carries. */
  readonly readEnd: () => Promise<{ readonly end: LogEnd; readonly generation: number } | undefined>;
  /** Told of the entries that are in the log now, the first of them with this index. */
  readonly onAppended: (first: number, entries: readonly Buffer[]) => void;
  /** Called when the store turned out to be ahead of what memory knows. */
  readonly onReload: () => Promise<void>;
}

/** So many entries at most go into one commit. */
const BATCH = 256;

/**
 * Group commit: the one place where anything reaches the disk. Entries that arrive while a commit is under way, or in
 * the same turn of the event loop, become durable together with the next one, at the cost of one fsync. A mutation's
 * changes are in the same commit as its entry, so that neither is ever there without the other. Checkpoints are signed
 * between commits, when one is due.
 */
export class Committer {
  readonly #targets: Targets;
  #queue: Item[] = [];
  #running = false;
  /** Whether a commit failed in a way that leaves open what the store holds. */
  #uncertain = false;
  /** Whether caches are behind the store: until a reload of them has succeeded. */
  #stale = false;
  /** Why nothing is taken any more. */
  #closed: Error | undefined;
  /** Those who wait for a checkpoint of all that is in the log. */
  #signing: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** False after a failed commit, until one succeeds. */
  get healthy(): boolean {
    return !this.#uncertain;
  }

  /**
   * Makes an audit entry durable, and the changes of a plan with it.
   * @param wantsReceipt Waits also for a checkpoint that covers the entry, if one can be signed.
   * @returns The entry's index in the log.
   * @throws RevisionConflict when the plan is outdated: neither changes nor entry were written.
   * @throws Error, for example StoreUnavailable, when nothing could be written.
   */
  submit(entry: Buffer, plan?: Plan<unknown>, wantsReceipt = false): Promise<number> {
    if (this.#closed !== undefined) {
      return Promise.reject(this.#closed);
    }
    if (entry.length > MAX_ENTRY_BYTES) {
      return Promise.reject(new EntryTooLong(entry.length));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, plan, wantsReceipt, resolve, reject });
      this.#start();
    });
  }

  /** Signs a checkpoint over all that is in the log, unless there is one. @throws StoreUnavailable */
  checkpoint(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#signing.push({ resolve, reject });
      this.#start();
    });
  }

  /** Takes nothing any more, and refuses what waits. What is under way ends. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const item of this.#queue.splice(0)) {
      item.reject(reason);
    }
  }

  /** Has all caches read anew before the next commit. */
  refresh(): void {
    this.#stale = true;
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #start(): void {
    if (!this.#running) {
      this.#running = true;
      // After the poll phase, so that all requests read in this turn of the loop share a commit.
      setImmediate(() => void this.#drain());
    }
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#signing.length > 0) {
      const items = usesFirst(this.#takeNext());
      let committed: Committed | undefined;
      try {
        committed = await this.#commit(items);
      } catch (error) {
        this.#uncertain = true;
        for (const item of items) {
          item.reject(error);
        }
      }
      await this.#signIfAsked(committed);
    }
    this.#running = false;
  }

  /** Signs a checkpoint if one is due or somebody waits for it, and tells those who do. */
  async #signIfAsked(committed: Committed | undefined): Promise<void> {
    const { checkpoints, log } = this.#targets;
    const waiting = this.#signing.splice(0);
    const isWanted = waiting.length > 0 || (committed?.items.some(({ wantsReceipt }) => wantsReceipt) ?? false);
    let failure: unknown;
    if (isWanted || checkpoints.isDue(log.frontier)) {
      try {
        await checkpoints.sign(log.frontier);
      } catch (error) {
        // The entries are on disk all the same. It stays due, and is tried again.
        failure = error;
      }
    }
    for (const [i, item] of committed?.items.entries() ?? []) {
      if (item.wantsReceipt) {
        item.resolve((committed as Committed).first + i);
      }
    }
    for (const { resolve, reject } of waiting) {
      failure === undefined ? resolve() : reject(failure);
    }
  }

  /**
   * Commits the items; those whose plan is outdated are refused one after the other, the others go on without them.
   * Whoever waits for no receipt is told.
   */
  async #commit(items: readonly Item[]): Promise<Committed | undefined> {
    if (items.length > 0 && (this.#uncertain || this.#stale)) {
      await this.#reload();
    }
    for (let left = stillHolding(items); left.length > 0; ) {
      const { records, log, checkpoints, onAppended } = this.#targets;
      const first = log.frontier.size;
      const entries = left.map((item) => item.entry);
      const batch = log.prepare(entries, checkpoints.size);
      try {
        const written = await records.commit(
          left.flatMap((item) => item.plan?.changes ?? []),
          { ...batch, asides: batch.tiles.map(tileRecord) },
        );
        log.adopt(batch.end);
        onAppended(first, entries);
        if (left.some(({ plan }) => plan?.isLast)) {
          // Its commit counts, signed or not.
          await checkpoints.sign(log.frontier).catch(() => {});
        }
        settle(left, written, first);
        return { items: left, first };
      } catch (error) {
        const outdated = error instanceof RevisionConflict ? left.find((item) => touches(item, error)) : undefined;
        if (outdated === undefined) {
          throw error;
        }
        outdated.reject(error);
        left = left.filter((item) => item !== outdated);
      }
    }
    return undefined;
  }

  /**
   * What goes into the next commit. Of two plans that change the same record, the second waits for the commit after it, which finds it
   * outdated. So does the second of two that end tokens: the first may end its caller's.
   */
  #takeNext(): Item[] {
    const taken = new Set<string>();
    const next: Item[] = [];
    const waiting: Item[] = [];
    for (const item of this.#queue) {
      const records = (item.plan?.changes ?? []).map((change) =>
        endsToken(change) ? change.table : `${change.table}/${change.path}`,
      );
      if (next.length === BATCH || records.some((record) => taken.has(record))) {
        waiting.push(item);
        continue;
      }
      next.push(item);
      for (const record of records) {
        taken.add(record);
      }
    }
    this.#queue = waiting;
    return next;
  }

  /** After a failure: reads what the store holds now, and goes on from there. */
  async #reload(): Promise<void> {
    const { records, log, readEnd, onReload } = this.#targets;
    const last = await readEnd();
    this.#stale = (await records.reload(last?.generation)) || this.#stale;
    if (last !== undefined) {
      log.adopt(last.end);
    }
    if (this.#stale) {
      await onReload();
      this.#stale = false;
    }
    this.#uncertain = false;
  }
}

/**
 * What calls rest on, each after what may rest on it: the secret or the attachment that they read, that no legal hold forbids a
 * removal, the key that they use, and their caller's token, on which all rest.
 */
const RESTED_ON: readonly Table[] = ["secret", "attachment", "audit-retention", "key", "token"];

/**
 * What is committed together with the end of what it rests on was before it: a use before the end of its key, a removal before the
 * legal hold that would have refused it, and all that a caller did before the end of his token.
 */
function usesFirst(items: readonly Item[]): readonly Item[] {
  if (items.every(({ plan }) => plan === undefined || plan.changes.length === 0)) {
    return items;
  }
  const rank = ({ plan }: Item): number => {
    const ends = (plan?.changes ?? []).filter((change) => change.table !== "token" || endsToken(change));
    return Math.max(-1, ...ends.map(({ table }) => RESTED_ON.indexOf(table)));
  };
  return items
    .map((item) => ({ item, rank: rank(item) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

/** A token is never changed: it is made and, once, revoked. */
function endsToken({ table, payload }: Change): boolean {
  return table === "token" && payload === null;
}

/** Refuses, as outdated, those whose plan rests on what is no longer so. */
function stillHolding(items: readonly Item[]): readonly Item[] {
  return items.filter((item) => {
    const holds = item.plan?.holds?.() ?? true;
    if (!holds) {
      item.reject(new RevisionConflict("key", ""));
    }
    return holds;
  });
}

function touches(item: Item, conflict: RevisionConflict): boolean {
  return (item.plan?.changes ?? []).some((change) => change.table === conflict.table && change.path === conflict.path);
}

/** Caches follow first, all in one go; only then is anybody told. */
function settle(items: readonly Item[], written: Awaited<ReturnType<Records["commit"]>>, first: number): void {
  let at = 0;
  for (const { plan } of items) {
    if (plan !== undefined) {
      plan.committed(written.slice(at, at + plan.changes.length));
      at += plan.changes.length;
    }
  }
  for (const [i, item] of items.entries()) {
    if (!item.wantsReceipt) {
      item.resolve(first + i);
    }
  }
}
