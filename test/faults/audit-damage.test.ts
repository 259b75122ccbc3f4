import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runLine } from "../../packages/cli/src/test-bed.ts";
import { startServer } from "../harness/server.ts";

/** What is done to the record of one batch in the middle, by whoever can write the database. */
const DAMAGES = [
  [
    "changed",
    "UPDATE audit SET value = CAST(substr(value, 1, 100) || zeroblob(8) || substr(value, 109) AS BLOB) WHERE path = ?",
  ],
  ["dropped", "DELETE FROM audit WHERE path = ?"],
] as const;

for (const [what, sql] of DAMAGES) {
  test(`of a log of which a record was ${what} the server and verify say so, and where`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "bunkms-damage-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const dataPath = join(folder, "data");
    const first = await startServer({ dataPath });
    context.after(() => first.remove());
    const token = first.rootToken;
    const get = (url: string, path: string) =>
      fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    for (let i = 0; i < 600; i++) {
      await get(first.url, "/v1/tokens/self");
    }
    const vkey = ((await (await get(first.url, "/v1/audit/keys")).json()) as { keys: { vkey: string }[] }).keys[0]
      ?.vkey;
    await first.stop();
    const db = new DatabaseSync(join(dataPath, "bunkms.db"));
    const paths = db.prepare("SELECT path FROM audit WHERE tbl = 'audit' ORDER BY path").all() as { path: string }[];
    const path = paths.find(({ path }) => Number.parseInt(path.slice(5), 16) >= 300)?.path as string;
    assert.equal(db.prepare(sql).run(path).changes, 1);
    db.close();

    const server = await startServer({ dataPath });
    context.after(() => server.remove());
    const codeOf = async (at: string) => ((await (await get(server.url, at)).json()) as { code?: string }).code;
    assert.equal(await codeOf("/v1/audit/entries?page_size=1000"), "vault_damaged");
    assert.equal(await codeOf("/v1/audit/entries?page_size=100"), undefined);
    assert.equal(await codeOf("/audit/tile/entries/001"), "vault_damaged");
    assert.equal(await codeOf("/audit/tile/entries/009"), "not_found");
    if (what === "changed") {
      assert.equal(await codeOf("/v1/audit/receipts/300"), "vault_damaged");
      const told = /a record of the vault is damaged.*audit\/main\//;
      for (const end = Date.now() + 20_000; !told.test(server.output()); await sleep(20)) {
        assert.ok(Date.now() < end, server.output());
      }
    }
    // One that was dropped is not there to be found damaged.
    const found = /^bunkms_damaged_records (\d+)$/m.exec(await (await get(server.url, "/metrics")).text())?.[1];
    assert.equal(found, what === "changed" ? "1" : "0");
    assert.equal(/"msg":"a damaged record was found"/.test(server.output()), what === "changed");
    assert.equal((await get(server.url, "/audit/tile/entries/000")).status, 200);
    const { code, stdout } = await runLine(["audit", "verify", "--key", vkey as string], server.url, {
      env: { BUNKMS_TOKEN: token },
    });
    assert.equal(code, 8, stdout);
    assert.match(
      stdout,
      /\ntile\/entries\/001: entry 256: the bundle has 0 entries, not 256\nNOT verified: 1 problem\n$/,
    );
  });

  test(`a record among the oldest that was ${what} is not taken for entries that were pruned`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "bunkms-damage-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const dataPath = join(folder, "data");
    const first = await startServer({ dataPath });
    context.after(() => first.remove());
    const options = { env: { BUNKMS_TOKEN: first.rootToken } };
    for (let i = 0; i < 300; i++) {
      await fetch(`${first.url}/v1/tokens/self`, { headers: { authorization: `Bearer ${first.rootToken}` } });
    }
    const keyFile = join(folder, "log.vkey");
    assert.equal((await runLine(["audit", "key", "--out", keyFile], first.url, options)).code, 0);
    await first.stop();
    const db = new DatabaseSync(join(dataPath, "bunkms.db"));
    const { path } = db.prepare("SELECT path FROM audit WHERE tbl = 'audit' ORDER BY path LIMIT 1 OFFSET 5").get() as {
      path: string;
    };
    assert.equal(db.prepare(sql).run(path).changes, 1);
    db.close();

    const server = await startServer({ dataPath });
    context.after(() => server.remove());
    const verify = ["audit", "verify", "--allow-pruned", "--key-file", keyFile];
    const { code, stdout } = await runLine(verify, server.url, options);
    assert.equal(code, 8, stdout);
    const mirrored = await runLine(
      ["audit", "mirror", join(folder, "mirror"), "--allow-pruned", "--key-file", keyFile],
      server.url,
      options,
    );
    assert.equal(mirrored.code, 8, mirrored.stdout);
  });
}

test("an archive that was changed is not taken for entries that were pruned", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-damage-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const server = await startServer({ env: { BUNKMS_AUDIT_ARCHIVE: join(folder, "archive") } });
  context.after(() => server.remove());
  const options = { env: { BUNKMS_TOKEN: server.rootToken } };
  const bunkms = (...line: readonly string[]) => runLine(line, server.url, options);
  for (let i = 0; i < 520; i++) {
    // The last one waits for a checkpoint: what no checkpoint covers is not archived.
    const headers = { authorization: `Bearer ${server.rootToken}`, "bunkms-receipt": String(i === 519) };
    await fetch(`${server.url}/v1/tokens/self`, { headers });
  }
  const keyFile = join(folder, "log.vkey");
  assert.equal((await bunkms("audit", "key", "--out", keyFile)).code, 0);
  assert.equal((await bunkms("audit", "archive")).code, 0);
  assert.equal((await bunkms("audit", "prune", "--before", "512")).code, 0);
  const verify = ["audit", "verify", "--allow-pruned", "--key-file", keyFile];
  assert.equal((await bunkms(...verify)).code, 0);
  const path = join(folder, "archive", "tile", "entries", "000");
  const bundle = readFileSync(path);
  writeFileSync(path, bundle.with(40, bundle.readUInt8(40) ^ 1));
  const { code, stdout } = await bunkms(...verify);
  assert.equal(code, 8, stdout);
  assert.match(stdout, /\ntile\/entries\/000: entry 0: /);
  assert.equal(
    (await bunkms("audit", "mirror", join(folder, "mirror"), "--allow-pruned", "--key-file", keyFile)).code,
    8,
  );
  const got = await bunkms("audit", "get", "100");
  assert.match(
    got.stderr,
    /the archive has other entries than those that were archived, in tile\/entries\/000 \(vault_damaged/,
  );
  // What is not there at all was pruned.
  rmSync(path);
  assert.equal((await bunkms(...verify)).code, 0);
});
