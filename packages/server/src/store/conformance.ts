/**
 * What every adapter of the store must do. An adapter's test calls {@link storeConformance} and adds what is its own.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MAX_LIST_LIMIT, MAX_VALUE_BYTES } from "./checks.ts";
import { ModelStore } from "./conformance-model.ts";
import { operations, transcriptOf } from "./conformance-operations.ts";
import { RevisionConflict, type Store, StoreUnavailable, type Table, type Write } from "./store.ts";

export interface ConformanceOptions {
  /** How many random sequences of operations are tried. */
  readonly sequences: number;
  /** Where the random choice begins; it is printed, so that a failure can be repeated. */
  readonly seed: number;
}

const bytes = (text: string) => Buffer.from(text);
const create = (path: string, value: Uint8Array = bytes(path), table: Table = "key"): Write => ({
  table,
  path,
  value,
  expected: 0,
});

/**
 * Defines the suite for one adapter.
 * @param open Opens a new, empty store. The suite closes it.
 */
export function storeConformance(name: string, open: () => Promise<Store>, options: ConformanceOptions): void {
  const withStore = (title: string, body: (store: Store) => Promise<void>) =>
    test(title, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });

  describe(`the ${name} store`, () => {
    withStore("keeps every byte of a value, and a value of none", async (store) => {
      const values = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), randomBytes(700_000)];
      for (const [i, value] of values.entries()) {
        const [revision] = await store.commit([create(`v/${i}`, value)]);
        const record = await store.get("key", `v/${i}`);
        assert.deepEqual(
          { ...record, value: Buffer.from(record?.value ?? []) },
          {
            path: `v/${i}`,
            value: Buffer.from(value),
            revision,
          },
        );
      }
    });

    withStore("keeps a value of 8 MiB and refuses one of a byte more", async (store) => {
      const largest = randomBytes(MAX_VALUE_BYTES);
      await store.commit([create("large", largest)]);
      assert.ok(largest.equals((await store.get("key", "large"))?.value ?? new Uint8Array()));
      await assert.rejects(store.commit([create("larger", new Uint8Array(MAX_VALUE_BYTES + 1))]), RangeError);
      assert.equal(await store.get("key", "larger"), undefined);
    });

    withStore("answers undefined and an empty list for what is not there", async (store) => {
      assert.equal(await store.get("key", "nothing"), undefined);
      assert.deepEqual(await store.list("key", { limit: 10 }), []);
      assert.deepEqual(await store.listRevisions("key", { limit: 10 }), []);
      assert.deepEqual(await store.getMany("key", ["nothing"]), []);
      assert.deepEqual(await store.getMany("key", []), []);
      assert.deepEqual(await store.commit([]), []);
    });

    withStore("owns its bytes: neither the writer's nor the reader's changes reach them", async (store) => {
      const value = bytes("as written");
      await store.commit([create("a", value)]);
      value.fill(0);
      (await store.get("key", "a"))?.value.fill(1);
      (await store.list("key", { limit: 1 }))[0]?.value.fill(2);
      (await store.getMany("key", ["a"]))[0]?.value.fill(3);
      assert.equal(Buffer.from((await store.get("key", "a"))?.value ?? []).toString(), "as written");
    });

    withStore("keeps tables apart", async (store) => {
      await store.commit([create("a", bytes("1"), "key"), create("a", bytes("2"), "secret")]);
      assert.deepEqual(
        (await store.list("key", { limit: 9 })).map(({ value }) => String(Buffer.from(value))),
        ["1"],
      );
      assert.deepEqual(
        (await store.list("secret", { limit: 9 })).map(({ value }) => String(Buffer.from(value))),
        ["2"],
      );
      assert.deepEqual(await store.list("token", { limit: 9 }), []);
      assert.equal((await store.listRevisions("secret", { limit: 9 })).length, 1);
      assert.deepEqual(await store.listRevisions("token", { limit: 9 }), []);
    });

    withStore("lists revisions, at which records are replaced and deleted, and nothing else", async (store) => {
      const values = [bytes("1"), new Uint8Array(0), randomBytes(70_000)];
      const revisions = await store.commit(values.map((value, i) => create(`${i}`, value)));
      const found = await store.listRevisions("key", { limit: 9 });
      assert.deepEqual(
        found,
        revisions.map((revision, i) => ({ path: `${i}`, revision })),
      );
      const expected = found[2]?.revision ?? 0;
      const [revision = 0] = await store.commit([{ table: "key", path: "2", value: bytes("x"), expected }]);
      assert.deepEqual(await store.listRevisions("key", { limit: 1, reverse: true }), [{ path: "2", revision }]);
      const [first, second] = found.map(
        (row): Write => ({ ...row, table: "key", value: null, expected: row.revision }),
      );
      await store.commit([first, second] as Write[]);
      assert.deepEqual(await store.listRevisions("key", { limit: 9 }), [{ path: "2", revision }]);
    });

    withStore("finds one record's revision by its path as the prefix, whatever paths begin with it", async (store) => {
      const paths = ["a", "a-", "a/0", "a".repeat(511), "a".repeat(512)];
      const revisions = await store.commit(paths.map((path) => create(path)));
      for (const [i, path] of paths.entries()) {
        const found = await store.listRevisions("key", { prefix: path, limit: 1 });
        assert.deepEqual(found, [{ path, revision: revisions[i] }]);
      }
    });

    withStore("reads many records at once, in the order that they are asked for in", async (store) => {
      const paths = Array.from({ length: MAX_LIST_LIMIT }, (_, i) => `m/${(i * 7919) % MAX_LIST_LIMIT}`);
      const there = paths.filter((_, i) => i % 2 === 0);
      await store.commit(there.map((path) => create(path)));
      await store.commit([create(paths[1] as string, bytes("elsewhere"), "secret")]);
      const found = await store.getMany("key", paths);
      assert.deepEqual(
        found.map(({ path, value }) => [path, String(Buffer.from(value))]),
        there.map((path) => [path, path]),
      );
      const [first, again] = await store.getMany("key", [there[0], there[0]] as string[]);
      assert.deepEqual(first, again);
      assert.deepEqual(first, await store.get("key", there[0] as string));
    });

    withStore("applies all writes of a commit or none, and names the record that changed", async (store) => {
      const [revision = 0] = await store.commit([create("present")]);
      const cases: readonly Write[] = [
        create("present"),
        { table: "key", path: "present", value: bytes("x"), expected: revision + 1 },
        { table: "key", path: "present", value: null, expected: revision + 1 },
        { table: "key", path: "present", value: null, expected: 0 },
        { table: "key", path: "absent", value: bytes("x"), expected: revision },
        { table: "key", path: "absent", value: null, expected: revision },
      ];
      for (const conflicting of cases) {
        await assert.rejects(store.commit([create("new"), conflicting, create("newer")]), (error) => {
          assert.ok(error instanceof RevisionConflict);
          assert.deepEqual([error.table, error.path], [conflicting.table, conflicting.path]);
          return true;
        });
      }
      assert.deepEqual(await store.list("key", { limit: 9 }), [
        { path: "present", value: (await store.get("key", "present"))?.value, revision },
      ]);
    });

    withStore("deletes at the expected revision, and can demand that a record is absent", async (store) => {
      const [revision = 0] = await store.commit([create("a")]);
      const absent: Write = { table: "key", path: "b", value: null, expected: 0 };
      assert.deepEqual(
        await store.commit([{ table: "key", path: "a", value: null, expected: revision }, absent]),
        [0, 0],
      );
      assert.equal(await store.get("key", "a"), undefined);
    });

    withStore("never gives a path the same revision twice, even after it was deleted", async (store) => {
      const seen = new Set<number>();
      for (let round = 1; round <= 50; round++) {
        const [created = 0] = await store.commit([create("a")]);
        const [updated = 0] = await store.commit([{ table: "key", path: "a", value: bytes("u"), expected: created }]);
        await store.commit([{ table: "key", path: "a", value: null, expected: updated }]);
        seen.add(created).add(updated);
        assert.equal(seen.size, 2 * round);
      }
    });

    withStore("lets exactly one of many concurrent writers of a path win", async (store) => {
      const wins = async (expected: number) => {
        const attempts = Array.from({ length: 64 }, (_, i) =>
          store.commit([
            create(`extra/${expected}/${i}`),
            { table: "key", path: "one", value: bytes(`${i}`), expected },
          ]),
        );
        const results = await Promise.allSettled(attempts);
        const losers = results.filter((result) => result.status === "rejected");
        assert.ok(losers.every(({ reason }) => reason instanceof RevisionConflict));
        const winner = results.findIndex((result) => result.status === "fulfilled");
        assert.equal(losers.length, 63);
        const record = await store.get("key", "one");
        assert.equal(String(Buffer.from(record?.value ?? [])), `${winner}`);
        const extra = await store.list("key", { prefix: `extra/${expected}/`, limit: 64 });
        assert.deepEqual(
          extra.map(({ path }) => path),
          [`extra/${expected}/${winner}`],
        );
        return record?.revision ?? 0;
      };
      await wins(await wins(await wins(0)));
    });

    withStore("shows a reader all writes of a commit or none", async (store) => {
      let revisions: readonly number[] = [0, 0];
      for (let round = 0; round < 100; round++) {
        const pair = ["pair/a", "pair/b"].map(
          (path, i): Write => ({ table: "meta", path, value: bytes(`${round}`), expected: revisions[i] ?? 0 }),
        );
        const writing = store.commit(pair);
        const seen = await store.list("meta", { prefix: "pair/", limit: 2 });
        assert.equal(new Set(seen.map(({ value }) => String(Buffer.from(value)))).size, seen.length === 0 ? 0 : 1);
        revisions = await writing;
      }
    });

    definePaging(withStore);
    defineRefusals(withStore);

    test("refuses every call once it is closed, and may be closed twice", async () => {
      const store = await open();
      await store.commit([create("a")]);
      await store.close();
      await store.close();
      await assert.rejects(store.get("key", "a"), StoreUnavailable);
      await assert.rejects(store.getMany("key", ["a"]), StoreUnavailable);
      await assert.rejects(store.list("key", { limit: 1 }), StoreUnavailable);
      await assert.rejects(store.listRevisions("key", { limit: 1 }), StoreUnavailable);
      await assert.rejects(store.commit([create("b")]), StoreUnavailable);
      await assert.rejects(store.commit([]), StoreUnavailable);
    });

    test("answers random operations as a plain map does", async (t) => {
      t.diagnostic(`seed ${options.seed}, ${options.sequences} sequences`);
      await fc.assert(
        fc.asyncProperty(operations, async (sequence) => {
          const store = await open();
          try {
            assert.deepEqual(await transcriptOf(store, sequence), await transcriptOf(new ModelStore(), sequence));
          } finally {
            await store.close();
          }
        }),
        { seed: options.seed, numRuns: options.sequences },
      );
    });
  });
}

type DefineTest = (title: string, body: (store: Store) => Promise<void>) => void;

function definePaging(withStore: DefineTest): void {
  withStore("pages through a table at every boundary, in both directions, with any prefix", async (store) => {
    const paths = [
      "-",
      ".",
      "/",
      "0",
      "a",
      "a-",
      "a.",
      "a/",
      "a/b",
      "a0",
      "aa",
      "a".repeat(512),
      "b",
      "z",
      "zz",
      "z".repeat(512),
    ];
    const sorted = [...paths].sort();
    await store.commit([...paths].reverse().map((path) => create(path)));
    await store.commit([create("a/elsewhere", bytes("x"), "secret")]);
    for (const prefix of ["", "a", "a/", "a-", "z", "zz", "none", "z".repeat(512)]) {
      for (const reverse of [false, true]) {
        const matching = sorted.filter((path) => path.startsWith(prefix));
        const expected = reverse ? matching.reverse() : matching;
        for (let limit = 1; limit <= paths.length + 1; limit++) {
          assert.deepEqual(await pagesOf(store, prefix, reverse, limit), expected);
        }
        for (const after of [...paths, "a/a", "0.", "zzz", "--"]) {
          const rest = expected.filter((path) => (reverse ? path < after : path > after));
          const page = await store.list("key", { prefix, after, reverse, limit: MAX_LIST_LIMIT });
          assert.deepEqual(
            page.map(({ path }) => path),
            rest,
          );
          const revisions = await store.listRevisions("key", { prefix, after, reverse, limit: 3 });
          const same = page.slice(0, 3).map(({ path, revision }) => ({ path, revision }));
          assert.deepEqual(revisions, same);
        }
      }
    }
  });
}

async function pagesOf(store: Store, prefix: string, reverse: boolean, limit: number): Promise<string[]> {
  const paths: string[] = [];
  for (;;) {
    const after = paths.at(-1);
    const page = await store.list("key", { prefix, reverse, limit, ...(after !== undefined && { after }) });
    assert.ok(page.length <= limit);
    if (page.length === 0) {
      return paths;
    }
    paths.push(...page.map(({ path }) => path));
  }
}

function defineRefusals(withStore: DefineTest): void {
  const badPaths = [
    "",
    "A",
    "a b",
    "a\n",
    "a\0",
    "é",
    "a%2f",
    "a_b",
    "'; DROP TABLE record; --",
    "~",
    "a".repeat(513),
    7,
    null,
  ];

  withStore("CVE-2026-39946 refuses paths and tables outside its alphabet, and changes nothing", async (store) => {
    await store.commit([create("a")]);
    for (const bad of badPaths as string[]) {
      await assert.rejects(store.get("key", bad), TypeError);
      await assert.rejects(store.getMany("key", ["a", bad]), TypeError);
      await assert.rejects(store.commit([create("b"), create(bad, bytes("x"))]), TypeError);
      await assert.rejects(store.list("key", { after: bad, limit: 1 }), TypeError);
      await assert.rejects(store.listRevisions("key", { after: bad, limit: 1 }), TypeError);
      if (bad !== "") {
        await assert.rejects(store.list("key", { prefix: bad, limit: 1 }), TypeError);
        await assert.rejects(store.listRevisions("key", { prefix: bad, limit: 1 }), TypeError);
      }
    }
    for (const bad of [
      "",
      "keys",
      "Key",
      "__proto__",
      "constructor",
      "record",
      "key'--",
      1,
      null,
    ] as unknown as Table[]) {
      await assert.rejects(store.get(bad, "a"), TypeError);
      await assert.rejects(store.getMany(bad, ["a"]), TypeError);
      await assert.rejects(store.getMany(bad, []), TypeError);
      await assert.rejects(store.list(bad, { limit: 1 }), TypeError);
      await assert.rejects(store.listRevisions(bad, { limit: 1 }), TypeError);
      await assert.rejects(store.commit([create("b"), create("a", bytes("x"), bad)]), TypeError);
    }
    assert.deepEqual(
      (await store.list("key", { limit: 9 })).map(({ path }) => path),
      ["a"],
    );
  });

  withStore("refuses values, revisions and limits that are none", async (store) => {
    for (const bad of ["text", 1, undefined, [1], new ArrayBuffer(1)] as unknown as Uint8Array[]) {
      await assert.rejects(store.commit([{ table: "key", path: "a", value: bad, expected: 0 }]), TypeError);
    }
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53, "0", undefined] as number[]) {
      await assert.rejects(store.commit([{ table: "key", path: "a", value: bytes("x"), expected: bad }]), TypeError);
    }
    for (const bad of [0, -1, 1.5, MAX_LIST_LIMIT + 1, Number.NaN, Infinity, "1", undefined] as number[]) {
      await assert.rejects(store.list("key", { limit: bad }), RangeError);
      await assert.rejects(store.listRevisions("key", { limit: bad }), RangeError);
    }
    await assert.rejects(store.getMany("key", new Array(MAX_LIST_LIMIT + 1).fill("a")), RangeError);
    assert.deepEqual(await store.list("key", { limit: 9 }), []);
  });

  withStore("refuses a commit that writes one path twice", async (store) => {
    await assert.rejects(store.commit([create("a"), create("b"), create("a")]), TypeError);
    assert.deepEqual(await store.list("key", { limit: 9 }), []);
  });
}
