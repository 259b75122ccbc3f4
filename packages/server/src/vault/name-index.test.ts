import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NameIndex } from "./name-index.ts";

const name = fc.stringMatching(/^[a-c][a-c/.]{0,4}$/);

/** One that all have, one that many have. */
const labelsOf = (length: number): readonly string[] => ["any", `${length % 3}`];

test("pages are those of the sorted list of names, after any additions and removals", () => {
  fc.assert(
    fc.property(
      fc.array(name),
      fc.array(fc.record({ name, add: fc.boolean() })),
      fc.oneof(fc.constant(""), name),
      fc.oneof(fc.constant(""), name),
      fc.integer({ min: 1, max: 5 }),
      (loaded, steps, prefix, after, limit) => {
        const model = new Set(loaded);
        const index = new NameIndex<number>(labelsOf);
        index.load([...model].map((each) => ({ name: each, summary: each.length })));
        for (const step of steps) {
          if (step.add) {
            model.add(step.name);
            // As another one first, so that a label is left as well.
            index.set(step.name, step.name.length + 1);
            index.set(step.name, step.name.length);
          } else {
            model.delete(step.name);
            index.remove(step.name);
          }
        }
        const expected = [...model].sort().filter((each) => each.startsWith(prefix) && each > after);
        assert.equal(index.size, model.size);
        assert.deepEqual(index.page(prefix, after, limit), expected.slice(0, limit));
        const short = expected.filter((each) => each.length < 3);
        const fits = (length: number) => length < 3;
        assert.deepEqual(index.page(prefix, after, limit, fits), short.slice(0, limit));
        assert.deepEqual(index.page(prefix, after, limit, undefined, "any"), expected.slice(0, limit));
        assert.deepEqual(index.page(prefix, after, limit, undefined, "none"), []);
        for (const rest of [0, 1, 2]) {
          const found = short.filter((each) => each.length % 3 === rest);
          assert.deepEqual(index.page(prefix, after, limit, fits, `${rest}`), found.slice(0, limit));
        }
      },
    ),
  );
});
