import assert from "node:assert/strict";
import { test } from "node:test";
import { isPrivate } from "./private-files.ts";

test("a token's file is private by the server's rule: its owner's alone, or root's for a group of this user to read", () => {
  const self = { uid: 1000, groups: [1000, 2000] };
  for (const [isTaken, mode, uid, gid] of [
    [true, 0o100600, 1000, 1000],
    [true, 0o100400, 0, 0],
    [true, 0o100440, 0, 2000],
    [true, 0o100640, 0, 2000],
    [false, 0o100440, 0, 3000],
    [false, 0o100440, 1000, 2000],
    [false, 0o100440, 1001, 2000],
    [false, 0o100460, 0, 2000],
    [false, 0o100444, 0, 2000],
  ] as const) {
    assert.equal(isPrivate({ mode, uid, gid }, self), isTaken, `${mode.toString(8)} ${uid}:${gid}`);
  }
  assert.ok(!isPrivate({ mode: 0o100440, uid: 0, gid: 2000 }, { uid: 0, groups: [0, 2000] }));
});
