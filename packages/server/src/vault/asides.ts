import { RevisionConflict, type Store, type Write } from "../store/store.ts";
import type { UndigestedTable } from "./state.ts";

/**
 * A record that says nothing of the vault itself: it is derived from the audit log, says how far somebody is with it, or is
 * what nobody needs any more. It is sealed like all, but to write it is no mutation. The last writer wins.
 */
export interface Aside {
  /** None of the digested ones: whoever takes a record of those away must know its version, and so read it. */
  readonly table: Extract<
    UndigestedTable,
    | "audit"
    | "audit-tile"
    | "audit-index"
    | "audit-checkpoint"
    | "audit-cursor"
    | "idempotency"
    | "attachment-part"
    | "attachment-removal"
  >;
  readonly path: string;
  /** Null: to delete. */
  readonly payload: Uint8Array | null;
}

/** Gives the value of a record that holds an aside's payload. */
type SealAside = (aside: Aside, payload: Uint8Array, generation: number) => Uint8Array;

/** So often an aside is written anew when it was sealed by another key meanwhile. */
const ATTEMPTS = 5;

/**
 * Writes and removes asides. What lies in their places is not read: it need not open to be written over or to leave, and may
 * be half a mebibyte.
 */
export class Asides {
  readonly #store: Store;
  readonly #seal: SealAside;

  /** @param seal The value of a record, by the newest barrier key. */
  constructor(store: Store, seal: SealAside) {
    this.#store = store;
    this.#seal = seal;
  }

  /**
   * Commits the writes, and asides over whatever is in their places.
   * @param generation With which the asides are sealed: that of the writes.
   * @returns The revisions, those of the writes first.
   * @throws RevisionConflict, StoreUnavailable
   */
  async commit(writes: readonly Write[], asides: readonly Aside[], generation: number): Promise<readonly number[]> {
    for (let attempt = 1; ; attempt++) {
      const revisions = await Promise.all(asides.map((aside) => this.#revisionOf(aside)));
      const over = asides.map((aside, i): Write => {
        const { table, path, payload } = aside;
        return {
          table,
          path,
          value: payload && this.#seal(aside, payload, generation),
          expected: revisions[i] as number,
        };
      });
      try {
        return await this.#store.commit([...writes, ...over]);
      } catch (error) {
        const isOver =
          error instanceof RevisionConflict &&
          over.some(({ table, path }) => table === error.table && path === error.path);
        if (!isOver || attempt === ATTEMPTS) {
          throw error;
        }
      }
    }
  }

  /**
   * Removes the first records of a table, or of a prefix in it, that lie before a path: what nobody needs any more.
   * @param limit So many at most.
   * @returns Whether there may be more.
   * @throws StoreUnavailable
   */
  async removeBefore(table: Aside["table"], before: string, limit: number, prefix: string): Promise<boolean> {
    const first = await this.#store.listRevisions(table, { prefix, limit });
    const gone = first.filter(({ path }) => path < before);
    if (gone.length === 0) {
      return false;
    }
    try {
      await this.#store.commit(gone.map(({ path, revision }) => ({ table, path, value: null, expected: revision })));
    } catch (error) {
      if (error instanceof RevisionConflict) {
        // One was sealed by another key meanwhile: the next call meets it as it is then.
        return true;
      }
      throw error;
    }
    return gone.length === limit;
  }

  /** 0 when there is none: then none must be there at the commit either. */
  async #revisionOf({ table, path }: Aside): Promise<number> {
    // Of all paths that begin with this one it is itself the first.
    const [first] = await this.#store.listRevisions(table, { prefix: path, limit: 1 });
    return first?.path === path ? first.revision : 0;
  }
}
