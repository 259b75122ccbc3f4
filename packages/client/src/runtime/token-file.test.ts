import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createClient } from "../client.ts";
import { RequestError } from "../errors.ts";
import { fileToken } from "../token-file.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-token-"));
after(() => rmSync(folder, { recursive: true }));

function clientOf(path: string) {
  const sent: (string | undefined)[] = [];
  const client = createClient({
    url: "http://kms.test",
    token: fileToken(path),
    fetch: async (_url, init) => {
      sent.push((init.headers as Record<string, string>)["authorization"]);
      return new Response("{}");
    },
  });
  return { client, sent };
}

test("a token comes from its file, again whenever that was written, replaced, or linked to another", async () => {
  const path = join(folder, "token");
  const { client, sent } = clientOf(path);
  const call = () => client.tokens.getSelf({});
  writeFileSync(path, "one\n");
  await call();
  await call();
  writeFileSync(path, "three");
  await call();
  writeFileSync(`${path}.new`, "fours");
  renameSync(`${path}.new`, path);
  await call();
  rmSync(path);
  writeFileSync(join(folder, "linked"), "fives");
  symlinkSync("linked", path);
  await call();
  assert.deepEqual(
    sent.map((header) => header?.slice("Bearer ".length)),
    ["one", "one", "three", "fours", "fives"],
  );
});

test("a token that is written over, by one of the same length, is the new one although the file system's clock is coarse", async (t) => {
  const path = join(folder, "busy");
  const { client, sent } = clientOf(path);
  const stat = files.stat;
  const moment = Date.now() + 3_600_000;
  t.mock.method(files, "stat", async (of: string) =>
    Object.assign(await stat(of), { mtimeMs: moment, ctimeMs: moment }),
  );
  syncBuiltinESMExports();
  try {
    for (const token of ["token-1", "token-2"]) {
      writeFileSync(path, token);
      await client.tokens.getSelf({});
      assert.equal(sent.at(-1), `Bearer ${token}`);
    }
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
});

test("a token file that is not there, or is no token, is named and not quoted, and comes in later", async () => {
  const path = join(folder, "late");
  const { client, sent } = clientOf(path);
  await assert.rejects(
    client.tokens.getSelf({}),
    (error) => error instanceof RequestError && /late/.test(error.message),
  );
  for (const content of ["", "two words", "x".repeat(5_000)]) {
    writeFileSync(path, content);
    await assert.rejects(client.tokens.getSelf({}), (error: Error) => {
      assert.ok(error instanceof RequestError);
      assert.doesNotMatch(error.message, /two|xx/);
      return true;
    });
  }
  writeFileSync(path, "good");
  await client.tokens.getSelf({});
  assert.deepEqual(sent, ["Bearer good"]);
});
