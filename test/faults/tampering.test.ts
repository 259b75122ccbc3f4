import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ERRORS } from "@bunkms/contract";
import { seeded } from "../vectors/seeded.ts";
import { copyFolder, openServer, type Row, SealedRows } from "./sealed-vault.ts";
import { askFacts, type Fact, makeVault } from "./vault-facts.ts";

const FLIPS = process.env["BUNKMS_SOAK"] === "1" ? 1000 : 25;
/** All tables that hold what is sealed; `probe` holds nothing of meaning. */
const TABLES = [
  ...[
    "alias",
    "audit",
    "audit-checkpoint",
    "audit-key",
    "import-key",
    "key",
    "key-material",
    "key-usage",
    "key-version",
    "meta",
  ],
  ...["secret", "secret-value", "secret-version", "token"],
];

let folder: string;
/** The vault as it was, and as it was last. */
let older: string;
let newest: string;
let masterKey: Buffer;
let facts: readonly Fact[];
let copies = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "bunkms-tampering-"));
  ({ older, newest, masterKey, facts } = await makeVault(folder));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Whether any operation opens the record. Old private keys, and the material of keys that are disabled or to be deleted,
 * are kept for operations to come.
 */
function isRead({ tbl, path }: Row): boolean {
  const isLast = (): boolean =>
    rowsOf(newest, tbl).findLast((row) => row.path.startsWith(path.slice(0, 33)))?.path === path;
  switch (tbl) {
    case "key-material":
      return (
        ["first", "second"].some((name) => path.startsWith(idOf(name))) || (path.startsWith(idOf("pair")) && isLast())
      );
    default:
      return true;
  }
}

/** A key's id. */
function idOf(name: string): string {
  return facts.find(({ action, request }) => action === "keys.get" && request["name"] === name)?.value["id"] as string;
}

/** No answer was wrong; and if anybody reads one of the changed records, it has not gone unnoticed. */
function assertNoticed(outcome: Outcome, changed: readonly Row[], what: string): void {
  if (changed.some(isRead)) {
    assert.notEqual(outcome, "unharmed", `${what}: not noticed`);
  }
}

function rowsOf(dataPath: string, table?: string): readonly Row[] {
  using rows = new SealedRows(dataPath);
  return rows.all(table).filter(({ tbl }) => tbl !== "probe");
}

/** How a changed vault behaves: it does not open, or some answers are `internal` errors, or all are right. */
type Outcome = "refused" | "failed closed" | "unharmed";

/**
 * Changes a copy of the newest vault and asks it everything.
 * @throws AssertionError for the first answer that is neither right nor the internal error.
 */
async function tamper(what: string, change: (rows: SealedRows) => void): Promise<Outcome> {
  copies += 1;
  const dataPath = copyFolder(newest, join(folder, `copy-${copies}`));
  try {
    {
      using rows = new SealedRows(dataPath);
      change(rows);
    }
    const server = await openServer(dataPath, masterKey).catch((error: Error) => error);
    if (server instanceof Error) {
      assert.match(server.message, /damaged|older or changed|seal slot|format/, `${what}: ${server.stack}`);
      return "refused";
    }
    await using opened = server;
    let failures = 0;
    for (const { fact, told } of await askFacts(opened.rest, facts)) {
      if (told.code === "internal") {
        assert.deepEqual([told.status, told.text], [500, ERRORS.internal.text], what);
        failures += 1;
      } else {
        assert.deepEqual([told.code, told.value], [fact.code, fact.value], `${what}: ${fact.action} is wrong`);
      }
    }
    return failures > 0 ? "failed closed" : "unharmed";
  } finally {
    rmSync(dataPath, { recursive: true, force: true });
  }
}

test("REQ-15 the vault that nobody touched opens and tells all facts", async () => {
  assert.equal(await tamper("nothing", () => {}), "unharmed");
  assert.deepEqual([...new Set(rowsOf(newest).map(({ tbl }) => tbl))].toSorted(), TABLES);
});

for (const table of TABLES) {
  test(`REQ-14 a flipped bit in any record of table ${table} is noticed, and no answer is ever wrong`, async (t) => {
    const random = seeded();
    t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
    const rows = rowsOf(newest, table);
    for (let i = 0; i < FLIPS; i++) {
      const row = rows[i < rows.length ? i : random.below(rows.length)] as Row;
      // The first ones hit the header: format, key version, record version.
      const bit = i < 4 ? i * 32 : random.below(row.value.length * 8);
      const value = Buffer.from(row.value);
      value[bit >> 3] = (value[bit >> 3] as number) ^ (1 << (bit & 7));
      const what = `bit ${bit} of ${table}/${row.path}`;
      const outcome = await tamper(what, (sealed) => sealed.write({ ...row, value }));
      assertNoticed(outcome, [row], what);
    }
  });

  test(`REQ-15 two records of table ${table} that change places are noticed`, async () => {
    const rows = rowsOf(newest, table);
    for (const [i, other] of rows.slice(1, 7).entries()) {
      const one = rows[i] as Row;
      const what = `${table}/${one.path} and ${other.path} swapped`;
      const outcome = await tamper(what, (sealed) => {
        sealed.write({ ...one, value: other.value });
        sealed.write({ ...other, value: one.value });
      });
      assertNoticed(outcome, [one, other], what);
    }
  });

  test(`REQ-15 a record of table ${table} moved to a new path, or over one of another table, is noticed`, async () => {
    const row = rowsOf(newest, table)[0] as Row;
    const path = row.path.replace(/.$/, (last) => (last === "0" ? "f" : "0"));
    const moved = await tamper(`${table}/${row.path} moved`, (sealed) => {
      sealed.remove(row);
      sealed.write({ ...row, path });
    });
    assertNoticed(moved, [row], row.path);
    for (const other of TABLES.filter((candidate) => candidate !== table)) {
      const target = rowsOf(newest, other)[0] as Row;
      const what = `${table}/${row.path} over ${other}/${target.path}`;
      const copied = await tamper(what, (sealed) => sealed.write({ ...target, value: row.value }));
      assertNoticed(copied, [target], what);
    }
  });
}

test("REQ-15 a record replaced by its own older value is noticed, whichever it is", async () => {
  const changed = rowsOf(older).flatMap((row) => {
    const now = rowsOf(newest, row.tbl).find(({ path }) => path === row.path);
    return now === undefined || Buffer.from(now.value).equals(row.value) ? [] : [{ row, now }];
  });
  assert.deepEqual(
    [...new Set(changed.map(({ row }) => row.tbl))],
    ["alias", "audit-checkpoint", "import-key", "key", "key-usage", "key-version", "meta", "secret", "secret-version"],
  );
  for (const { row, now } of changed) {
    // With the revision of now, as somebody would do it who knows the store.
    const outcome = await tamper(`older ${row.tbl}/${row.path}`, (sealed) =>
      sealed.write({ ...now, value: row.value }),
    );
    assert.equal(outcome, "refused", `${row.tbl}/${row.path}`);
  }
});

/** Rows of mutable tables that a start does not open, as they were and as they are. */
function rewrittenUnopened(): readonly { readonly row: Row; readonly now: Row }[] {
  return rowsOf(older)
    .filter(({ tbl }) => ["import-key", "key-usage", "key-version"].includes(tbl))
    .flatMap((row) => {
      const now = rowsOf(newest, row.tbl).find(({ path }) => path === row.path);
      return now === undefined || Buffer.from(now.value).equals(row.value) ? [] : [{ row, now }];
    });
}

test("REQ-15 an older value is noticed beside rows whose paths differ in what a narrower encoding cuts", async () => {
  const alike = (path: string, offset: number): string =>
    path.slice(0, 1) + String.fromCharCode(path.charCodeAt(1) + offset) + path.slice(2);
  for (const { row, now } of rewrittenUnopened()) {
    const outcome = await tamper(`older ${row.tbl}/${row.path} and paths like it`, (sealed) => {
      sealed.write({ ...now, value: row.value });
      // The digest is an XOR: these two would take the older value out and bring the newer one in.
      sealed.write({ ...now, path: alike(row.path, 0x100), value: row.value });
      sealed.write({ ...now, path: alike(row.path, 0x200) });
    });
    assert.equal(outcome, "refused", `${row.tbl}/${row.path}`);
  }
});

test("REQ-15 an older value is noticed that lies twice in the path of the newer one, before it", async () => {
  for (const { row, now } of rewrittenUnopened()) {
    const outcome = await tamper(`older ${row.tbl}/${row.path}, twice`, (sealed) => {
      sealed.remove(now);
      sealed.addBeside([{ ...now, value: row.value }, { ...now, value: row.value }, now]);
    });
    assert.equal(outcome, "refused", `${row.tbl}/${row.path}`);
  }
});

test("REQ-15 COSMIAN-2026-008 what was deleted or revoked does not come back when its records do", async () => {
  const paths = new Set(rowsOf(newest).map(({ tbl, path }) => `${tbl} ${path}`));
  const gone = rowsOf(older).filter(({ tbl, path }) => !paths.has(`${tbl} ${path}`));
  const tables = [...new Set(gone.map(({ tbl }) => tbl))];
  assert.deepEqual(tables, ["alias", "secret", "secret-value", "secret-version", "token"]);
  const together = await tamper("all that was deleted", (sealed) => {
    for (const row of gone) {
      sealed.write(row);
    }
  });
  assert.equal(together, "refused");
  for (const row of gone) {
    const outcome = await tamper(`deleted ${row.tbl}/${row.path}`, (sealed) => sealed.write(row));
    // A value without its metadata cannot be asked for, nor one that was destroyed.
    assert.equal(outcome, row.tbl === "secret-value" ? "unharmed" : "refused", row.tbl);
  }
});

test("REQ-15 all tables but one rolled back together are noticed", async () => {
  // Tables in which nothing was rewritten or deleted can only lose records.
  const rewritten = ["alias", "import-key", "key", "key-usage", "key-version", "secret", "secret-version", "token"];
  for (const kept of ["audit", "meta", ...rewritten]) {
    const outcome = await tamper(`all but ${kept}`, (sealed) => {
      for (const row of sealed.all().filter(({ tbl }) => tbl !== kept)) {
        sealed.remove(row);
      }
      for (const row of rowsOf(older).filter(({ tbl }) => tbl !== kept)) {
        sealed.write(row);
      }
    });
    assert.equal(outcome, "refused", kept);
  }
});

test("REQ-15 a record that is missing is noticed, whichever it is", async () => {
  for (const table of TABLES) {
    const rows = rowsOf(newest, table);
    // A log's end can only be missed by who remembers it (signed checkpoints): of its batches some in the middle.
    for (const row of table === "audit" ? rows.slice(2, -1).filter((_, i) => i % 6 === 0) : rows) {
      const what = `without ${table}/${row.path}`;
      assertNoticed(await tamper(what, (sealed) => sealed.remove(row)), [row], what);
    }
  }
});
