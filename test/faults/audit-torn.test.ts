import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openOrCreate } from "../../packages/server/src/boot/unseal.ts";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { type Seeded, seeded } from "../vectors/seeded.ts";

/** Entries, the last of which are cut off. */
const ENTRIES = 24;
/** The last writes: those of so many entries, with the checkpoints among them. */
const LAST = 6;
const SAMPLES = 80;
const SOAK = process.env["BUNKMS_SOAK"] === "1";
const HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;

/** What was acknowledged when the store's log was so long. */
interface Acknowledged {
  readonly bytes: number;
  readonly entries: number;
  readonly signed: number;
}

const root = mkdtempSync(join(tmpdir(), "bunkms-audit-torn-"));
const crashed = join(root, "crashed");
const folder = join(root, "store");
let wal: Buffer;
let told: readonly Acknowledged[];

before(() => {
  const writer = join(import.meta.dirname, "audit-writer.ts");
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", writer, crashed, String(ENTRIES)],
    { encoding: "utf8" },
  );
  assert.equal(stderr, "");
  told = stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [bytes = 0, entries = 0, signed = 0] = line.split(" ").map(Number);
      return { bytes, entries, signed };
    });
  assert.equal(told.length, ENTRIES);
  wal = readFileSync(join(crashed, "bunkms.db-wal"));
  assert.equal(told.at(-1)?.bytes, wal.length);
});
after(() => rmSync(root, { recursive: true, force: true }));

/** What a start finds of a store's log that was cut there. */
async function found(offset: number): Promise<{ readonly entries: number; readonly signed: number }> {
  rmSync(folder, { recursive: true, force: true });
  cpSync(crashed, folder, { recursive: true });
  writeFileSync(join(folder, "bunkms.db-wal"), wal.subarray(0, offset));
  const store = await openSqliteStore(folder);
  try {
    const { log, checkpoints, committer } = await openOrCreate(store, envSeal(Buffer.alloc(32, 7)));
    // Its own entry of the opening is the last.
    const entries = log.frontier.size - 1;
    const signed = checkpoints.latest?.size ?? 0;
    await committer.checkpoint();
    assert.equal(checkpoints.latest?.size, log.frontier.size);
    return { entries, signed: Math.min(signed, entries) };
  } finally {
    await store.close();
  }
}

/** Each end of a frame with its neighbours, and a share of all the other places; all of them in soak. */
function offsets(from: number, random: Seeded): readonly number[] {
  const all = Array.from({ length: wal.length - from + 1 }, (_, i) => from + i);
  if (SOAK) {
    return all;
  }
  const edges = all.filter((offset) => [0, 1, FRAME_BYTES - 1].includes((offset - HEADER_BYTES) % FRAME_BYTES));
  const others = Array.from({ length: SAMPLES }, () => from + random.below(wal.length - from));
  return [...new Set([...edges, ...others])];
}

test("REQ-30: cut anywhere in its last writes, the log keeps each acknowledged entry and raises no false alarm", async (t) => {
  const random = seeded();
  t.diagnostic(`seed ${random.seed}`);
  const from = told.at(-LAST - 1) as Acknowledged;
  let cuts = 0;
  for (const offset of offsets(from.bytes, random)) {
    const acknowledged = told.findLast(({ bytes }) => bytes <= offset) as Acknowledged;
    const { entries, signed } = await found(offset);
    assert.ok(entries >= acknowledged.entries, `${entries} of ${acknowledged.entries} entries are left at ${offset}`);
    assert.ok(entries <= (told.at(-1)?.entries ?? 0));
    assert.ok(signed >= acknowledged.signed, `the checkpoint over ${acknowledged.signed} entries is lost at ${offset}`);
    cuts += 1;
  }
  assert.ok(cuts > SAMPLES);
});
