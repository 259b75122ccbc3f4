import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openSqliteStore } from "./sqlite.ts";
import { StoreRefused } from "./store-refused.ts";

const COMMITS = 40;
const HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;

const soak = process.env["BUNKMS_SOAK"] === "1";
const seed = Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31);
let state = seed || 1;
function below(limit: number): number {
  state = (state * 48_271) % 2_147_483_647;
  return state % limit;
}

/** Each commit counts up in one record and adds another; the process then dies with everything still in the log. */
const writerSource = `
  import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, "sqlite.ts"))};
  const store = await openSqliteStore(process.argv[1]);
  let expected = 0;
  for (let i = 1; i <= ${COMMITS}; i++) {
    [expected] = await store.commit([
      { table: "meta", path: "head", value: Buffer.from(String(i)), expected },
      { table: "audit", path: String(i).padStart(4, "0"), value: Buffer.alloc(i % 10 === 0 ? 20_000 : 700, i), expected: 0 },
    ]);
  }
  process.kill(process.pid, "SIGKILL");
`;

const root = mkdtempSync(join(tmpdir(), "bunkms-sqlite-wal-"));
const crashed = join(root, "crashed");
const folder = join(root, "store");
const logFile = join(folder, "bunkms.db-wal");
let log: Buffer;
/** Where each commit ends in the log. */
let ends: readonly number[];

before(() => {
  spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", writerSource, crashed],
    { stdio: "inherit" },
  );
  log = readFileSync(join(crashed, "bunkms.db-wal"));
  const frames = Array.from(
    { length: (log.length - HEADER_BYTES) / FRAME_BYTES },
    (_, i) => HEADER_BYTES + i * FRAME_BYTES,
  );
  ends = frames.filter((frame) => log.readUInt32BE(frame + 4) !== 0).map((frame) => frame + FRAME_BYTES);
  assert.equal(ends.length, COMMITS);
  assert.equal(ends.at(-1), log.length);
});
after(() => rmSync(root, { recursive: true, force: true }));

/** Lays the crashed folder out again, with this log. */
function layOut(changed: Uint8Array): void {
  rmSync(folder, { recursive: true, force: true });
  cpSync(crashed, folder, { recursive: true });
  writeFileSync(logFile, changed);
}

/** Opens the store and finds how many commits it holds; they must be the first ones, and whole. */
async function commitsFound(): Promise<number> {
  const store = await openSqliteStore(folder);
  try {
    const head = Number(Buffer.from((await store.get("meta", "head"))?.value ?? []).toString());
    const entries = await store.list("audit", { limit: 1000 });
    assert.deepEqual(
      entries.map(({ path, value }) => [path, value.length, new Set(value).size, value[0]]),
      Array.from({ length: head }, (_, i) => [
        `${i + 1}`.padStart(4, "0"),
        (i + 1) % 10 === 0 ? 20_000 : 700,
        1,
        i + 1,
      ]),
    );
    await store.commit([{ table: "probe", path: "after", value: new Uint8Array(1), expected: 0 }]);
    return head;
  } finally {
    await store.close();
  }
}

function overwritten(offset: number, length: number): Buffer {
  const changed = Buffer.from(log);
  for (let i = offset; i < Math.min(offset + length, log.length); i++) {
    changed[i] = (changed[i] ?? 0) ^ (1 + below(255));
  }
  return changed;
}

async function assertRefusedUnchanged(changed: Buffer): Promise<void> {
  layOut(changed);
  const database = readFileSync(join(folder, "bunkms.db"));
  await assert.rejects(openSqliteStore(folder), (error) => {
    assert.ok(error instanceof StoreRefused, `${error}`);
    assert.equal(error.reason, "damaged");
    assert.match(error.message, /bunkms\.db-wal is damaged/);
    return true;
  });
  assert.ok(readFileSync(logFile).equals(changed));
  assert.ok(readFileSync(join(folder, "bunkms.db")).equals(database));
}

test("REQ-02 a log cut at any byte opens with exactly the commits that it still holds", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const nearEnds = ends.flatMap((end) => [end - 1, end, end + 1]);
  const random = Array.from({ length: 60 }, () => below(log.length));
  const tail = Array.from({ length: 2_000 }, (_, i) => log.length - 13 * i);
  const cuts = [0, 1, 31, 32, 33, HEADER_BYTES + 24, ...nearEnds, ...random, ...(soak ? tail : [])];
  for (const cut of cuts.filter((at) => at <= log.length)) {
    layOut(log.subarray(0, cut));
    const expected = ends.filter((end) => end <= cut).length;
    assert.equal(await commitsFound(), expected, `seed ${seed}: cut at ${cut}`);
  }
});

test("REQ-02 a torn last commit is dropped, and all before it are there", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const start = ends.at(-2) ?? 0;
  for (let round = 0; round < (soak ? 3000 : 60); round++) {
    const offset = start + below(log.length - start);
    const length = 1 + below(5000);
    const changed = round % 2 === 0 ? overwritten(offset, length) : zeroed(offset, length);
    layOut(changed);
    // Zeros over zeros change nothing.
    const expected = changed.equals(log) ? COMMITS : COMMITS - 1;
    assert.equal(await commitsFound(), expected, `seed ${seed}, round ${round}`);
  }
});

function zeroed(offset: number, length: number): Buffer {
  return Buffer.from(log).fill(0, offset, Math.min(offset + length, log.length));
}

test("REQ-02 a log that lost what an fsync had confirmed is refused, and nothing is changed", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const limit = ends.at(-3) ?? 0;
  for (let round = 0; round < (soak ? 3000 : 60); round++) {
    const offset = below(limit);
    const length = Math.min(1 + below(3000), limit - offset);
    await assertRefusedUnchanged(overwritten(offset, length));
  }
});

test("REQ-02 a log whose header does not read is refused, and nothing is changed", async () => {
  for (let offset = 0; offset < HEADER_BYTES; offset++) {
    await assertRefusedUnchanged(overwritten(offset, 1));
  }
  await assertRefusedUnchanged(Buffer.alloc(log.length));
});
