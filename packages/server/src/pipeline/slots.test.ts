import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { Slots } from "./slots.ts";

const full = (error: unknown) => error instanceof BunkmsError && error.code === "too_many_requests";

test("one token holds at most a quarter of the places, all together no more than there are", () => {
  const slots = new Slots(8);
  const held = ["a", "a", "b", "b", "c", "c"].map((token) => slots.take(token));
  assert.throws(() => slots.take("a"), full);
  held.push(slots.take("d"), slots.take("d"));
  assert.throws(() => slots.take("e"), full);
  held[0]?.();
  slots.take("e");
});

test("a place is given back once, however often that is said", () => {
  const slots = new Slots(4);
  const giveBack = slots.take("a");
  giveBack();
  giveBack();
  const others = ["a", "b", "c", "d"].map((token) => slots.take(token));
  assert.equal(others.length, 4);
  assert.throws(() => slots.take("e"), full);
});

test("a share of another size holds as well", () => {
  const slots = new Slots(3, 2);
  slots.take("a");
  slots.take("a");
  assert.throws(() => slots.take("a"), full);
  slots.take("b");
});

test("a single place serves one call of anybody at a time", () => {
  const slots = new Slots(1);
  const giveBack = slots.take("a");
  assert.throws(() => slots.take("b"), full);
  giveBack();
  slots.take("b");
});
