import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { file, keyEntry, leaf, MASTER_KEY, secretEntry } from "../migrate/bunkms-go/made-store.ts";
import { type Answers, errorAnswer, fakeServer, runLine, temporaryFolder, type World } from "../test-bed.ts";

const ABSENT: Answers = { "GET /v1/keys/k": errorAnswer(404, "not_found") };

/** A data folder with a key and a secret, and the command on it. */
function trial() {
  const folder = temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(data);
  writeFileSync(join(data, "data.db"), file(leaf(keyEntry("k"), secretEntry("s", "1"))));
  writeFileSync(join(folder.path, "key"), MASTER_KEY.toString("hex"), { mode: 0o600 });
  const words = ["migrate", "from-bunkms-go", "--data", data];
  return {
    folder,
    run: async (options: readonly string[], world: World = {}, answers: Answers = ABSENT) => {
      await using server = await fakeServer(answers);
      const outcome = await runLine([...words, ...options], server.url, world);
      return { ...outcome, seen: server.seen };
    },
    key: ["--master-key-file", join(folder.path, "key")],
  };
}

test("on a terminal the plan is shown and asked for, and without a yes nothing is sent but questions", async () => {
  const { folder, run, key } = trial();
  using _ = folder;
  for (const stdin of ["n\n", "\n", ""]) {
    const { code, stdout, stderr, seen } = await run(key, { terminal: true, stdin });
    assert.equal(code, 2);
    assert.match(stdout, /Keys +1 to bring in/);
    assert.match(stderr, /Bring it in\? \[y\/N\].*nothing was brought in/s);
    assert.ok(seen.every(({ method }) => method === "GET"));
  }
});

test("who gave the master key on standard input cannot be asked, and neither can a script", async () => {
  const { folder, run, key } = trial();
  using _ = folder;
  for (const [options, world] of [
    [[], { terminal: true, stdin: "x\n" }],
    [["--master-key", "-"], { terminal: true, stdin: "x\n" }],
    [key, { stdin: "y\n" }],
    [[...key, "--json"], { terminal: true, stdin: "y\n" }],
  ] as const) {
    const { code, stderr, seen } = await run(options, world);
    assert.equal(code, 2);
    assert.match(stderr, /nobody to ask/);
    assert.equal(seen.length, 0);
  }
});

test("--data names a folder here, and is refused elsewhere as before", async () => {
  const { folder, run, key } = trial();
  using _ = folder;
  assert.equal((await run([...key, "--dry-run"])).code, 0);
  await using server = await fakeServer({});
  const refused = await runLine(["call", "keys.get", "--data", "{}"], server.url);
  assert.match(refused.stderr, /there is no --data on purpose/);
});

test("a server that cannot be read from, or is older, is a failure like any other", async () => {
  const { folder, run, key } = trial();
  using _ = folder;
  for (const [status, name, code] of [
    [401, "unauthenticated", 3],
    [503, "sealed", 6],
  ] as const) {
    const { code: got } = await run([...key, "--yes"], {}, { "GET /v1/keys/k": errorAnswer(status, name) });
    assert.equal(got, code);
  }
});

test("samples and audit files that are not what they must be are refused before anything is asked", async () => {
  const { folder, run, key } = trial();
  using _ = folder;
  const path = (name: string, content: string): string => {
    writeFileSync(join(folder.path, name), content);
    return join(folder.path, name);
  };
  for (const [options, text] of [
    [["--sample", "orders"], /--sample is KEY:FILE/],
    [["--sample", ":x"], /--sample is KEY:FILE/],
    [["--sample", `orders:${path("a", "{x")}`], /is not JSON/],
    [["--sample", `orders:${path("b", '{"ciphertext":1}')}`], /needs "ciphertext"/],
    [["--sample", "orders:/nonexistent"], /there is no such file/],
    [["--audit-log", path("c", "")], /is empty/],
    [["--audit-log", "/nonexistent"], /there is no such file/],
    [["--audit-log", folder.path], /it is a folder/],
  ] as const) {
    const { code, stderr, seen } = await run([...key, "--yes", ...options]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, text);
    assert.equal(seen.length, 0);
  }
});
