import assert from "node:assert/strict";
import { test } from "node:test";
import { isPrivate } from "./private-file.ts";

const ROOT = 0;
const SERVER = { uid: 1000, groups: [1000, 2000] };
const AS_ROOT = { uid: ROOT, groups: [0, 2000] };

test("a file is private when its owner alone has any permission, whoever reads it", () => {
  for (const mode of [0o100600, 0o100400, 0o100700]) {
    assert.ok(isPrivate({ mode, uid: 1000, gid: 1000 }, SERVER));
    assert.ok(isPrivate({ mode, uid: ROOT, gid: 0 }, AS_ROOT));
  }
});

test("a file of root's is private, too, when no more than a group of this process can read it: so Kubernetes mounts a secret", () => {
  for (const mode of [0o100440, 0o100640]) {
    assert.ok(isPrivate({ mode, uid: ROOT, gid: 2000 }, SERVER));
    assert.ok(!isPrivate({ mode, uid: ROOT, gid: 3000 }, SERVER), "of a group that is not this process's");
    assert.ok(!isPrivate({ mode, uid: 1000, gid: 2000 }, SERVER), "of this process's own user, who could close it");
    assert.ok(!isPrivate({ mode, uid: 1001, gid: 2000 }, SERVER), "of somebody else");
    assert.ok(!isPrivate({ mode, uid: ROOT, gid: 2000 }, AS_ROOT), "to root, who needs no group");
    assert.ok(!isPrivate({ mode, uid: ROOT, gid: 2000 }, { uid: undefined, groups: [] }), "where there are no users");
  }
});

test("a file of root's that the group can change, or anybody else can use, is not", () => {
  for (let bits = 0; bits <= 0o777; bits++) {
    const isAllowed = (bits & 0o077) === 0 || (bits & 0o077) === 0o040;
    assert.equal(isPrivate({ mode: 0o100000 | bits, uid: ROOT, gid: 2000 }, SERVER), isAllowed, bits.toString(8));
  }
});
