import assert from "node:assert/strict";
import { statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolder } from "./make-folder.ts";
import { fakeServer, runLine, temporaryFolder } from "./test-bed.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test("a folder is made with those above it, of one mode, and what is there stays as it is", async () => {
  using folder = temporaryFolder();
  await makeFolder(join(folder.path, "a"), 0o750);
  await makeFolder(join(folder.path, "a/b/c"), 0o700);
  await makeFolder(join(folder.path, "a/b"), 0o777);
  assert.deepEqual(
    ["a", "a/b", "a/b/c"].map((name) => modeOf(join(folder.path, name))),
    [0o750, 0o700, 0o700],
  );
  symlinkSync("a", join(folder.path, "link"));
  await makeFolder(join(folder.path, "link"));
  await Promise.all(["d/e/f", "d/e/f", "d/e/g"].map((name) => makeFolder(join(folder.path, name))));
  assert.ok(statSync(join(folder.path, "d/e/g")).isDirectory());
});

test("where none can be made that is said at once, not tried for ever", { timeout: 10_000 }, async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "file");
  writeFileSync(file, "");
  const nowhere = join(folder.path, "nowhere");
  symlinkSync(join(folder.path, "absent/a"), nowhere);
  for (const [path, code] of [
    ["/proc/x", "ENOENT"],
    ["/proc/x/a/b", "ENOENT"],
    [file, "EEXIST"],
    [join(file, "a/b"), "ENOTDIR"],
    [nowhere, "EEXIST"],
    [join(nowhere, "b"), "EEXIST"],
  ] as const) {
    await assert.rejects(makeFolder(path), { code }, path);
  }
});

test("a login that cannot be kept is told, not tried for ever", { timeout: 10_000 }, async () => {
  await using server = await fakeServer({
    "GET /v1/tokens/self": [200, { id: "0a", display_name: "a", role: "admin" }],
  });
  const env = { XDG_CONFIG_HOME: "/proc/x" };
  const { code, stderr } = await runLine(["login", "--url", server.url], server.url, { env, stdin: "bkms_t\n" });
  assert.equal(code, 7);
  assert.match(stderr, /ENOENT.*\/proc\/x/);
});
