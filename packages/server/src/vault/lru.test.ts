import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collectForgottenKeys } from "../crypto/forget-keys.ts";
import { Lru } from "./lru.ts";

const key = fc.stringMatching(/^[a-d][a-d]?$/);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("set" as const), key }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("get" as const, "peek" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("delete" as const, "deletePrefix" as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const), key }) },
);

test("it holds what was used last, whatever is set, used, deleted and cleared", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
      const lru = new Lru<number>(capacity);
      // The one used longest ago first.
      let model: (readonly [string, number])[] = [];
      for (const [i, { do: what, key }] of steps.entries()) {
        const found = model.find(([each]) => each === key);
        const others = model.filter(([each]) => each !== key);
        if (what === "set") {
          lru.set(key, i);
          model = [...others, [key, i] as const].slice(-capacity);
        } else if (what === "get") {
          assert.equal(lru.get(key), found?.[1]);
          model = found === undefined ? others : [...others, found];
        } else if (what === "peek") {
          assert.equal(lru.peek(key), found?.[1]);
        } else if (what === "delete") {
          lru.delete(key);
          model = others;
        } else if (what === "deletePrefix") {
          lru.deletePrefix(key);
          model = model.filter(([each]) => !each.startsWith(key));
        } else {
          lru.clear();
          model = [];
        }
      }
      for (const [each, value] of model) {
        assert.equal(lru.peek(each), value);
      }
    }),
  );
});

test("what is used between two evictions stays, over many of them", () => {
  const lru = new Lru<number>(100);
  for (let i = 0; i < 10_000; i++) {
    lru.set(`${i}`, i);
    assert.equal(lru.get("0"), 0);
  }
  assert.equal(lru.peek("9900"), undefined);
  assert.equal(lru.peek("9901"), 9901);
});

test("what is used again and again leaves no memory behind", () => {
  const held = (): number => {
    collectForgottenKeys();
    return process.memoryUsage().heapUsed;
  };
  const lru = new Lru<number>(100);
  for (const key of ["a", "b", "c"]) {
    lru.set(key, 1);
  }
  const before = held();
  for (let i = 0; i < 300_000; i++) {
    lru.get(["a", "b", "c"][i % 3] as string);
  }
  const megabytes = (held() - before) / 1e6;
  assert.ok(megabytes < 1, `${megabytes} MB are held`);
  assert.equal(lru.peek("a"), 1);
});
