import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { after, afterEach, beforeEach, type TestContext, test } from "node:test";
import { openSqliteStore } from "./sqlite.ts";
import { refuseOldSqlite } from "./sqlite-open.ts";
import { type Store, StoreUnavailable } from "./store.ts";
import { type Refusal, StoreRefused } from "./store-refused.ts";

const root = mkdtempSync(join(tmpdir(), "bunkms-sqlite-open-"));
after(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let database: string;
let folders = 0;
beforeEach(() => {
  folder = join(root, `${++folders}`);
  database = join(folder, "bunkms.db");
});

const umask = process.umask();
afterEach(() => process.umask(umask));

/** A closed store with a few records. */
async function makeStore(records = 3): Promise<void> {
  const store = await openSqliteStore(folder);
  for (let i = 0; i < records; i++) {
    await store.commit([{ table: "key", path: `k/${i}`, value: Buffer.alloc(900, i), expected: 0 }]);
  }
  await store.close();
}

/** All files of the folder, bytes and all, to see that a refusal changed nothing. */
const contents = () =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => name !== "bunkms.lock")
      .map((name) => [name, readFileSync(join(folder, name)).toString("base64")]),
  );

async function assertRefused(reason: Refusal, message: RegExp): Promise<void> {
  await assert.rejects(openSqliteStore(folder), (error) => {
    assert.ok(error instanceof StoreRefused, `${error}`);
    assert.deepEqual([error.reason, message.test(error.message)], [reason, true], error.message);
    return true;
  });
}

/** Changes a closed database as another program could. */
function tamper(sql: string, file = database): void {
  const other = new DatabaseSync(file);
  other.exec(sql);
  other.close();
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** It drops the store and collects garbage before it says that it is open: a forgotten store keeps its lock. */
const ownerSource = `
  import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, "sqlite.ts"))};
  const store = await openSqliteStore(process.argv[1]);
  await store.commit([{ table: "key", path: "owner", value: new Uint8Array(1), expected: 0 }]);
  setTimeout(() => {
    gc();
    setTimeout(() => console.log("open"), 5);
  }, 5);
  setInterval(() => {}, 1000);
`;

/** Another process that opens the folder, and holds it until it is killed. */
function spawnOwner(t: TestContext): ChildProcess {
  const child = spawn(
    process.execPath,
    ["--expose-gc", "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", ownerSource, folder],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** What it says first: `open`, or on the other stream why it could not. */
async function firstWords(child: ChildProcess): Promise<string> {
  const [words] = await Promise.race([child.stdout, child.stderr].map((stream) => once(stream as Readable, "data")));
  return String(words);
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("makes a folder of mode 0700 and files of mode 0600 under any umask", async () => {
  for (const mask of [0, 0o077, 0o277, 0o777]) {
    process.umask(mask);
    const store = await openSqliteStore(folder);
    await store.commit([{ table: "key", path: "a", value: new Uint8Array(1), expected: 0 }]);
    process.umask(umask);
    const modes = Object.fromEntries(readdirSync(folder).map((name) => [name, mode(join(folder, name))]));
    assert.deepEqual(modes, { "bunkms.db": "600", "bunkms.db-wal": "600", "bunkms.lock": "600" });
    assert.equal(mode(folder), "700");
    await store.close();
    rmSync(folder, { recursive: true });
  }
});

test("refuses a folder that others may enter, and leaves its mode as it is", async () => {
  for (const shared of [0o750, 0o701, 0o704, 0o770]) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, shared);
    await assertRefused("not-private", /other users may access .*: make it private with: chmod 700/);
    assert.equal(mode(folder), shared.toString(8));
    assert.deepEqual(readdirSync(folder), []);
  }
});

test("refuses a folder that can never be made, and does not try for ever", async () => {
  await assert.rejects(openSqliteStore("/proc/none/data"), (error) => {
    assert.ok(error instanceof StoreUnavailable);
    assert.match(String(error.cause), /ENOENT.*mkdir '\/proc\/none'/);
    return true;
  });
});

test("refuses a path that is no folder", async () => {
  writeFileSync(folder, "", { mode: 0o600 });
  await assert.rejects(openSqliteStore(folder), StoreRefused);
});

test("refuses files that others may read or write", async () => {
  await makeStore();
  writeFileSync(`${database}-wal`, "", { mode: 0o600 });
  for (const name of ["bunkms.db", "bunkms.db-wal", "bunkms.lock"]) {
    for (const shared of [0o640, 0o604, 0o620, 0o602]) {
      chmodSync(join(folder, name), shared);
      await assertRefused("not-private", /other users may access .*: make it private with: chmod 600/);
    }
    chmodSync(join(folder, name), 0o600);
  }
  await (await openSqliteStore(folder)).close();
});

test("refuses a database that is a link, or has a second name elsewhere", async () => {
  await makeStore();
  const elsewhere = join(root, `${folders}-elsewhere`);
  linkSync(database, elsewhere);
  await assertRefused("not-private", /not a plain file/);
  rmSync(database);
  symlinkSync(elsewhere, database);
  await assertRefused("not-private", /not a plain file/);
});

test("REQ-04 a second open in the same process is refused, and does not break the lock of the first", async (t) => {
  const store = await openSqliteStore(folder);
  for (let i = 0; i < 3; i++) {
    await assertRefused("in-use", /in use by a running BunKMS/);
  }
  assert.match(await firstWords(spawnOwner(t)), /in use by a running BunKMS/);
  await store.commit([{ table: "key", path: "still", value: new Uint8Array(1), expected: 0 }]);
  await store.close();
});

test("REQ-04 a second process is refused at once, and the lock dies with its owner", async (t) => {
  for (let round = 0; round < 3; round++) {
    const owner = spawnOwner(t);
    assert.equal(await firstWords(owner), "open\n");
    const start = performance.now();
    await assertRefused("in-use", /in use by a running BunKMS/);
    assert.ok(performance.now() - start < 500);
    await kill(owner);
    const store = await openSqliteStore(folder);
    const record = await store.get("key", "owner");
    await store.commit([{ table: "key", path: "owner", value: null, expected: record?.revision ?? 0 }]);
    await store.close();
  }
});

test("REQ-04 other programs cannot read or write the database while it is open", async (t) => {
  const owner = spawnOwner(t);
  assert.equal(await firstWords(owner), "open\n");
  const other = new DatabaseSync(database);
  t.after(() => other.close());
  assert.throws(() => other.exec("SELECT * FROM record"), /locked/);
  assert.throws(() => other.exec("BEGIN IMMEDIATE"), /locked/);
  await kill(owner);
});

test("REQ-04 refuses a database that another program has open with a lock", async () => {
  await makeStore();
  const other = new DatabaseSync(database);
  other.exec("BEGIN IMMEDIATE");
  await assertRefused("in-use", /in use by another program/);
  other.close();
  await (await openSqliteStore(folder)).close();
});

test("refuses the database of another program or of a newer BunKMS, and does not change it", async () => {
  await makeStore();
  const cases: readonly [string, Refusal, RegExp][] = [
    ["PRAGMA application_id = 1", "foreign", /is the database of another program/],
    ["PRAGMA application_id = 0", "foreign", /is the database of another program/],
    ["PRAGMA user_version = 2", "newer", /has schema version 2, and this BunKMS reads up to 1/],
    ["PRAGMA user_version = 0", "damaged", /has no schema version/],
  ];
  const original = readFileSync(database);
  for (const [sql, reason, message] of cases) {
    writeFileSync(database, original);
    tamper(sql);
    const before = contents();
    await assertRefused(reason, message);
    assert.deepEqual(contents(), before);
  }
});

test("refuses a foreign database with a log of its own, and does not change either", async () => {
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(database, "", { mode: 0o600 });
  tamper("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
  // Keep what a crash would leave: the log is removed by a clean close.
  const other = new DatabaseSync(database);
  other.exec("INSERT INTO t VALUES (1)");
  execFileSync("cp", ["-p", database, `${database}-wal`, root]);
  other.close();
  renameSync(join(root, "bunkms.db"), database);
  renameSync(join(root, "bunkms.db-wal"), `${database}-wal`);
  chmodSync(`${database}-wal`, 0o600);
  const before = contents();
  await assertRefused("foreign", /another program/);
  assert.deepEqual(contents(), before);
});

test("refuses a database whose schema was changed", async () => {
  for (const sql of [
    "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
    "CREATE TABLE extra (x)",
    "CREATE VIEW v AS SELECT 1",
    "DROP TABLE revisions",
    "ALTER TABLE record RENAME COLUMN value TO data",
  ]) {
    rmSync(folder, { recursive: true, force: true });
    await makeStore();
    tamper(sql);
    await assertRefused("damaged", /its schema was changed/);
  }
});

test("REQ-02 a crash while the database is first made leaves nothing that is taken for one", async () => {
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(`${database}.new`, "half a database", { mode: 0o600 });
  writeFileSync(`${database}.new-journal`, "half a journal", { mode: 0o600 });
  const store = await openSqliteStore(folder);
  assert.equal(existsSync(`${database}.new`), false);
  assert.equal(existsSync(`${database}.new-journal`), false);
  await store.close();
});

test("REQ-02 refuses a log without its database instead of making a new one", async () => {
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(`${database}-wal`, Buffer.alloc(5000, 1), { mode: 0o600 });
  await assertRefused("damaged", /is there without/);
  assert.deepEqual(readdirSync(folder).sort(), ["bunkms.db-wal", "bunkms.lock"]);
});

test("REQ-02 refuses a database that was cut anywhere, with the reason", async () => {
  await makeStore(40);
  const original = readFileSync(database);
  const cuts = [0, 1, 15, 16, 99, 100, 512, ...Array.from({ length: original.length / 4096 }, (_, i) => i * 4096)];
  for (const cut of [...cuts, ...cuts.map((at) => at + 2048), original.length - 1].filter(
    (at) => at < original.length,
  )) {
    writeFileSync(database, original);
    truncateSync(database, cut);
    await assertRefused("damaged", /is damaged/);
    assert.equal(statSync(database).size, cut, "a refused database is not changed");
  }
});

test("REQ-02 a database with overwritten bytes is refused with the reason, or answers", async (t) => {
  const seed = Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  let state = seed || 1;
  const below = (limit: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  await makeStore(40);
  const original = readFileSync(database);
  let refused = 0;
  const rounds = process.env["BUNKMS_SOAK"] === "1" ? 5_000 : 150;
  for (let round = 0; round < rounds; round++) {
    const changed = Buffer.from(original);
    // Three times of four at the beginning of a page, where its structure lies; elsewhere are mostly values.
    const start = round % 4 === 0 ? below(changed.length) : 4096 * below(changed.length / 4096) + below(30);
    for (let i = start; i < Math.min(changed.length, start + 1 + below(600)); i++) {
      changed[i] = below(256);
    }
    writeFileSync(database, changed);
    const problem = await problemOf(40);
    assert.ok(problem === undefined || isDamage(problem), `seed ${seed}, round ${round}: ${problem}`);
    refused += problem === undefined ? 0 : 1;
  }
  assert.ok(refused > rounds / 4, `only ${refused} of ${rounds} were refused`);
});

test("REQ-02 a broken page of the audit log is found at the start after a crash, else when it is read", async () => {
  const entries = Array.from({ length: 40 }, (_, i) => i.toString().padStart(2, "0"));
  const store = await openSqliteStore(folder);
  for (const path of entries) {
    await store.commit([{ table: "audit", path, value: Buffer.alloc(3000, `entry ${path}`), expected: 0 }]);
  }
  await store.close();
  const bytes = readFileSync(database);
  const page = Math.floor(bytes.indexOf("entry 20") / 4096) * 4096;
  writeFileSync(database, bytes.fill(0xff, page, page + 8));

  const reopened = await openSqliteStore(folder);
  await reopened.commit([{ table: "key", path: "k", value: Buffer.of(1), expected: 0 }]);
  await assert.rejects(reopened.list("audit", { limit: 40 }), /the database is damaged/);
  assert.deepEqual((await reopened.get("key", "k"))?.value, new Uint8Array(Buffer.of(1)));
  const crashed = `${folder}-crashed`;
  cpSync(folder, crashed, { recursive: true });
  await reopened.close();

  folder = crashed;
  await assertRefused("damaged", /is damaged/);
});

/** Opens the store and reads it all. @returns The first error. */
async function problemOf(records: number): Promise<unknown> {
  let store: Store | undefined;
  try {
    store = await openSqliteStore(folder);
    for (let i = 0; i < records; i++) {
      await store.get("key", `k/${i}`);
    }
    await store.list("key", { limit: records });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await store?.close();
  }
}

/** The reason at the start; or later, where only the page in question tells. */
function isDamage(problem: unknown): boolean {
  return (
    (problem instanceof StoreRefused && ["damaged", "foreign", "newer"].includes(problem.reason)) ||
    (problem instanceof StoreUnavailable && problem.message === "the database is damaged")
  );
}

test("needs SQLite 3.51.3 or newer", () => {
  for (const version of ["3.51.3", "3.51.10", "3.52.0", "4.0.0", process.versions.sqlite ?? ""]) {
    refuseOldSqlite(version);
  }
  for (const version of ["3.51.2", "3.50.9", "2.99.99", "", "none", "3.51", "3.x.9"]) {
    assert.throws(() => refuseOldSqlite(version), { name: "StoreRefused", reason: "unsupported" }, version);
  }
});

test("REQ-12 the bytes of a deleted or replaced record are gone from the files once the store is closed", async () => {
  const canary = Buffer.from("canary-of-a-destroyed-record");
  const value = Buffer.alloc(30_000, canary);
  const store = await openSqliteStore(folder);
  const revisions = await store.commit([
    { table: "key", path: "small", value: canary, expected: 0 },
    { table: "key", path: "large", value, expected: 0 },
    { table: "key", path: "replaced", value, expected: 0 },
  ]);
  await store.commit([
    { table: "key", path: "small", value: null, expected: revisions[0] ?? 0 },
    { table: "key", path: "large", value: null, expected: revisions[1] ?? 0 },
    { table: "key", path: "replaced", value: new Uint8Array(30_000), expected: revisions[2] ?? 0 },
  ]);
  await store.close();
  for (const name of readdirSync(folder)) {
    assert.equal(readFileSync(join(folder, name)).indexOf(canary), -1, name);
  }
});
