/**
 * A store in a thread of its own: while it writes and waits for the disk, this thread goes on with other calls. It is asked
 * through a port, one question after the other, and sees sealed bytes only, as every store does.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { AskedThread, copyOf } from "../threads/asked-thread.ts";
import { checkWrites } from "./checks.ts";
import { type PackedListing, unpackListing } from "./packed-listing.ts";
import {
  type ListOptions,
  type RecordRevision,
  RevisionConflict,
  type Store,
  type StoredRecord,
  StoreUnavailable,
  type Table,
  type Write,
} from "./store.ts";
import { type Refusal, StoreRefused } from "./store-refused.ts";

/** What the thread is asked. */
export type Question =
  | { readonly ask: "get"; readonly table: Table; readonly path: string }
  | { readonly ask: "getMany"; readonly table: Table; readonly paths: readonly string[] }
  | { readonly ask: "list" | "listRevisions"; readonly table: Table; readonly options: ListOptions }
  | { readonly ask: "commit"; readonly writes: readonly Write[] }
  | { readonly ask: "close" };

/** What it answers, to one question after the other. */
export type Reply = { readonly value: unknown } | { readonly failure: Failure };

/** An error as it goes through a port, which keeps no classes. */
export type Failure =
  | { readonly kind: "conflict"; readonly table: Table; readonly path: string }
  | { readonly kind: "unavailable"; readonly message: string; readonly cause: unknown }
  | { readonly kind: "refused"; readonly reason: Refusal; readonly message: string; readonly cause: unknown }
  | { readonly kind: "other"; readonly error: unknown };

/**
 * Opens the SQLite store of a folder (sqlite.ts) in a thread.
 * @param onLost Told when the thread ended although nobody closed the store: it does not come back, and the folder's lock is gone.
 * @throws StoreRefused, StoreUnavailable
 */
export async function openStoreThread(
  folder: string,
  onLost: (reason: StoreUnavailable) => void = () => {},
): Promise<Store> {
  const worker = new Worker(new URL("../../bin/store-thread.js", import.meta.url), { workerData: folder, env: {} });
  const [reply] = (await once(worker, "message")) as [Reply];
  if ("failure" in reply) {
    await worker.terminate();
    throw errorOf(reply.failure);
  }
  return new StoreThread(worker, onLost);
}

class StoreThread implements Store {
  readonly #worker: Worker;
  readonly #thread: AskedThread<Question, Reply, StoreUnavailable>;
  /** Why nothing is asked any more. */
  #ended: StoreUnavailable | undefined;

  constructor(worker: Worker, onLost: (reason: StoreUnavailable) => void) {
    this.#worker = worker;
    this.#thread = new AskedThread(worker, {
      reasonOf: (how, options) => new StoreUnavailable(`the store's thread ${how}`, options),
      onEnd: (reason) => {
        const isLost = this.#ended === undefined;
        this.#ended ??= reason;
        if (isLost) {
          onLost(reason);
        }
      },
    });
  }

  get(table: Table, path: string): Promise<StoredRecord | undefined> {
    return this.#ask({ ask: "get", table, path }) as Promise<StoredRecord | undefined>;
  }

  async getMany(table: Table, paths: readonly string[]): Promise<readonly StoredRecord[]> {
    return unpackListing((await this.#ask({ ask: "getMany", table, paths })) as PackedListing);
  }

  async list(table: Table, options: ListOptions): Promise<readonly StoredRecord[]> {
    return unpackListing((await this.#ask({ ask: "list", table, options })) as PackedListing);
  }

  listRevisions(table: Table, options: ListOptions): Promise<readonly RecordRevision[]> {
    return this.#ask({ ask: "listRevisions", table, options }) as Promise<readonly RecordRevision[]>;
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    // Before anything is copied: what is refused need not go to the other thread.
    checkWrites(writes);
    return this.#ask({ ask: "commit", writes: writes.map(inOwnMemory) }) as Promise<readonly number[]>;
  }

  async close(): Promise<void> {
    if (this.#ended === undefined) {
      // Together: should the thread fail just now, both do, and what nobody waits for would end the process.
      const closed = Promise.all([once(this.#worker, "exit"), this.#ask({ ask: "close" })]);
      this.#ended = new StoreUnavailable("the store is closed");
      await closed;
    }
  }

  async #ask(question: Question): Promise<unknown> {
    if (this.#ended !== undefined) {
      throw this.#ended;
    }
    const reply = await this.#thread.ask(question);
    if ("failure" in reply) {
      throw errorOf(reply.failure);
    }
    return reply.value;
  }
}

/**
 * A value that lies in larger memory is copied, for the port would send all of that; what the barrier seals need not be. To hand memory
 * over takes longer than a copy.
 */
export function inOwnMemory(write: Write): Write {
  const { value } = write;
  return value === null || value.byteLength === value.buffer.byteLength ? write : { ...write, value: copyOf(value) };
}

function errorOf(failure: Failure): unknown {
  switch (failure.kind) {
    case "conflict":
      return new RevisionConflict(failure.table, failure.path);
    case "unavailable":
      return new StoreUnavailable(failure.message, { cause: failure.cause });
    case "refused":
      return new StoreRefused(failure.reason, failure.message, { cause: failure.cause });
    default:
      return failure.error;
  }
}
