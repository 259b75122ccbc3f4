/** Random operations on a store, and what it answers, in words that two stores can be compared by. */

import fc from "fast-check";
import {
  type RecordRevision,
  RevisionConflict,
  type Store,
  type StoredRecord,
  StoreUnavailable,
  type Table,
} from "./store.ts";

/**
 * The revision that a write expects. Revisions are opaque and differ from store to store, so an operation can only
 * say which one of this path it means: the present one, none, or one from before.
 */
type Expectation = "present" | "none" | "former";

interface RandomWrite {
  readonly table: Table;
  readonly path: string;
  readonly value: Uint8Array | null;
  readonly expect: Expectation;
}

export type Operation =
  | { readonly kind: "get"; readonly table: Table; readonly path: string }
  | { readonly kind: "getMany"; readonly table: Table; readonly paths: readonly string[] }
  | {
      readonly kind: "list" | "listRevisions";
      readonly table: Table;
      readonly prefix: string | undefined;
      readonly after: string | undefined;
      readonly limit: number;
      readonly reverse: boolean;
    }
  | { readonly kind: "commit"; readonly writes: readonly RandomWrite[] };

const TABLES: readonly Table[] = ["key", "key-version", "audit"];

/** Few enough to meet again and again; around the edges of one another's prefixes and of the alphabet's order. */
const PATHS = [
  "-",
  ".",
  "0",
  "a",
  "a-",
  "a.",
  "a/",
  "a/0",
  "a/b",
  "a/b/c",
  "a0",
  "aa",
  "ab",
  "az",
  "azz",
  "b",
  "z",
  "zz",
];

const table = fc.constantFrom(...TABLES);
const path = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...PATHS) },
  { weight: 2, arbitrary: fc.stringMatching(/^[0-9a-z/.-]{1,8}$/) },
  { weight: 1, arbitrary: fc.constantFrom("z".repeat(512), "a".repeat(511), "a".repeat(512)) },
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 24 }) },
  // Around the size from which SQLite spills a value to further pages, and over several of them.
  { weight: 1, arbitrary: fc.constantFrom(4000, 4096, 20_000).map((bytes) => new Uint8Array(bytes).fill(bytes % 251)) },
);
const expect = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Expectation>("present") },
  { weight: 2, arbitrary: fc.constant<Expectation>("none") },
  { weight: 1, arbitrary: fc.constant<Expectation>("former") },
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      writes: fc.uniqueArray(fc.record({ table, path, value, expect }), {
        maxLength: 6,
        selector: (write) => `${write.table}:${write.path}`,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("get" as const), table, path }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("getMany" as const),
      table,
      paths: fc.array(path, { maxLength: 6 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("list" as const, "listRevisions" as const),
      table,
      prefix: optional(fc.oneof(path, fc.constant(""))),
      after: optional(path),
      limit: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(10_000)),
      reverse: fc.boolean(),
    }),
  },
);

/** A sequence of valid operations, which shrinks. */
export const operations: fc.Arbitrary<readonly Operation[]> = fc.array(operation, { maxLength: 80, size: "max" });

/**
 * Runs the operations one after the other on an empty store.
 * @returns One answer for each, with every revision replaced by its ordinal among those of its path.
 * @throws Error if a revision comes a second time for one path, or is not a positive integer.
 */
export async function transcriptOf(store: Store, sequence: readonly Operation[]): Promise<unknown[]> {
  const history = new RevisionHistory();
  const answers: unknown[] = [];
  for (const next of sequence) {
    try {
      answers.push(await answerOf(store, next, history));
    } catch (error) {
      answers.push(describe(error));
    }
  }
  return answers;
}

async function answerOf(store: Store, next: Operation, history: RevisionHistory): Promise<unknown> {
  switch (next.kind) {
    case "get": {
      const record = await store.get(next.table, next.path);
      return record && history.label(next.table, record);
    }
    case "getMany":
      return (await store.getMany(next.table, next.paths)).map((record) => history.label(next.table, record));
    case "list":
    case "listRevisions": {
      const { prefix, after, limit, reverse } = next;
      const options = {
        limit,
        reverse,
        ...(prefix !== undefined && { prefix }),
        ...(after !== undefined && { after }),
      };
      return next.kind === "list"
        ? (await store.list(next.table, options)).map((record) => history.label(next.table, record))
        : (await store.listRevisions(next.table, options)).map((found) => history.labelRevision(next.table, found));
    }
    case "commit": {
      const writes = next.writes.map(({ expect: expectation, ...write }) => ({
        ...write,
        expected: history.expected(write.table, write.path, expectation),
      }));
      const revisions = await store.commit(writes);
      return next.writes.map((write, i) => history.note(write, revisions[i]));
    }
  }
}

/** An error in the words of the port: what callers may tell apart. */
function describe(error: unknown): unknown {
  if (error instanceof RevisionConflict) {
    return { conflict: [error.table, error.path] };
  }
  if (error instanceof StoreUnavailable) {
    return { unavailable: error.message };
  }
  throw error;
}

/** All revisions that a store has given to each path. */
class RevisionHistory {
  readonly #given = new Map<string, number[]>();
  readonly #present = new Map<string, number>();

  expected(table: Table, path: string, expectation: Expectation): number {
    const name = `${table}:${path}`;
    const present = this.#present.get(name) ?? 0;
    switch (expectation) {
      case "present":
        return present;
      case "none":
        return 0;
      case "former":
        return this.#given.get(name)?.find((revision) => revision !== present) ?? Number.MAX_SAFE_INTEGER;
    }
  }

  note({ table, path, value: written }: RandomWrite, revision: number | undefined): number {
    const name = `${table}:${path}`;
    if (written === null) {
      this.#present.delete(name);
      return revision ?? Number.NaN;
    }
    const given = this.#given.get(name) ?? [];
    if (revision === undefined || !Number.isSafeInteger(revision) || revision < 1 || given.includes(revision)) {
      throw new Error(`${revision} is no new revision: this path had ${given}`);
    }
    given.push(revision);
    this.#given.set(name, given);
    this.#present.set(name, revision);
    return given.length;
  }

  label(table: Table, { path: at, value: read, revision }: StoredRecord): unknown {
    return { ...this.labelRevision(table, { path: at, revision }), value: Buffer.from(read).toString("base64") };
  }

  /** With whatever else a store gave, which a listing of revisions must not. */
  labelRevision(table: Table, { revision, ...rest }: RecordRevision): object {
    const ordinal = 1 + (this.#given.get(`${table}:${rest.path}`)?.indexOf(revision) ?? -1);
    return { ...rest, ordinal };
  }
}
