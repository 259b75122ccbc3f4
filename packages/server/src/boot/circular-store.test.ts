import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { refuseCircularStore } from "./circular-store.ts";
import { type TestCalls, testCalls } from "./test-calls.ts";
import { FaultyStore } from "./test-vault.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "bunkms-circular-")));
const OTHER = "ab".repeat(16);

let calls: TestCalls;
let own: string;

before(async () => {
  calls = await testCalls();
  own = calls.unsealed.vault.root.cluster.toString("hex");
});
after(() => rmSync(folder, { recursive: true }));

let made = 0;

/** A Bundoc database with these files, and a data folder somewhere within it. */
function database(files: Readonly<Record<string, unknown>>, inside = "."): string {
  made += 1;
  const path = join(folder, `database-${made}`);
  mkdirSync(join(path, inside), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return join(path, inside);
}

const refused = (path: string) => assert.rejects(refuseCircularStore(calls.store, path), /whose key this very BunKMS/);
const accepted = (path: string, store = calls.store) => refuseCircularStore(store, path);

test("a data folder in a database that gets its key from the same vault is refused, however it lies there", async () => {
  const catalog = { collections: {}, bunkms: { version: 1, cluster_id: own } };
  await refused(database({ "system_catalog.json": catalog }));
  await refused(database({ "bunkms-dek.json": { version: 1, cluster_id: own } }));
  const within = database({ "system_catalog.json": catalog }, "a/b/c");
  await refused(within);
  const link = join(folder, "link");
  symlinkSync(within, link);
  await refused(link);
  const dashed = own.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
  await refused(database({ "bunkms-dek.json": { cluster_id: dashed } }));
});

test("a database of another vault's, one without such a key, and what is no catalog are no reason", async () => {
  for (const content of [
    { collections: {} },
    { bunkms: { cluster_id: OTHER } },
    { cluster_id: own },
    { bunkms: { cluster_id: 7 } },
    { bunkms: null },
    "null",
    "[]",
    "not JSON",
    "",
  ]) {
    await accepted(database({ "system_catalog.json": content }));
  }
  await accepted(database({ "bunkms-dek.json": { cluster_id: OTHER } }));
});

test("where there is no vault yet, nothing is looked at", async () => {
  await accepted(join(folder, "not-there"), new FaultyStore());
});

test("what is no file of Bundoc's is passed over: pipes, devices, folders, and what is too large", {
  timeout: 20_000,
}, async () => {
  const path = database({}, "inside");
  const [record, catalog] = ["bunkms-dek.json", "system_catalog.json"].map((name) => join(path, name)) as [
    string,
    string,
  ];
  execFileSync("mkfifo", [record]);
  symlinkSync("/dev/zero", catalog);
  mkdirSync(join(path, "..", "bunkms-dek.json"));
  writeFileSync(join(path, "..", "system_catalog.json"), JSON.stringify({ bunkms: { cluster_id: own } }));
  truncateSync(join(path, "..", "system_catalog.json"), 64 * 1024 * 1024 + 1);
  await accepted(path);
});
