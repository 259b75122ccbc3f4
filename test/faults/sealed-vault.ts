/** A vault on disk that somebody with access to the disk has changed, opened by the real server inside of the test. */

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pino from "pino";
import { serve } from "../../packages/server/src/boot/serve.ts";
import { testSeal, testSeals } from "../../packages/server/src/boot/test-vault.ts";
import { readConfig } from "../../packages/server/src/config/config.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { sqlTableOf } from "../../packages/server/src/store/sqlite-schema.ts";
import type { Table } from "../../packages/server/src/store/store.ts";
import { restTransport, type Transport } from "../requirements/operation-call.ts";

/** One row of the store. */
export interface Row {
  readonly tbl: Table;
  readonly path: string;
  readonly revision: number;
  readonly value: Uint8Array;
}

/** The rows of a stopped server's database, open for changing them behind its back. */
export class SealedRows implements Disposable {
  readonly #database: DatabaseSync;

  constructor(dataPath: string) {
    this.#database = new DatabaseSync(join(dataPath, "bunkms.db"), { defensive: false });
  }

  /** In the order of their paths. */
  all(table?: string): readonly Row[] {
    const rows = this.#database
      .prepare(
        `SELECT tbl, path, revision, value FROM record UNION ALL SELECT tbl, path, revision, value FROM audit
        ORDER BY tbl, path`,
      )
      .all();
    return (rows as unknown as Row[]).filter(({ tbl }) => table === undefined || tbl === table);
  }

  write({ tbl, path, revision, value }: Row): void {
    this.#database
      .prepare(`INSERT OR REPLACE INTO ${sqlTableOf(tbl)} (tbl, path, revision, value) VALUES (?, ?, ?, ?)`)
      .run(tbl, path, revision, value);
  }

  /** Adds rows to the table `record` in this order, several to one path too: its index is no unique one meanwhile. */
  addBeside(rows: readonly Row[]): void {
    const index = "sqlite_autoindex_record_1";
    const schema = this.#database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'record'").get()?.[
      "sql"
    ] as string;
    this.#changeSchema(schema.replace(/,\s*UNIQUE \(tbl, path\)/, ""), [
      index,
      "twice",
      "CREATE INDEX twice ON record (tbl, path)",
    ]);
    const insert = this.#database.prepare("INSERT INTO record (tbl, path, revision, value) VALUES (?, ?, ?, ?)");
    for (const { tbl, path, revision, value } of rows) {
      insert.run(tbl, path, revision, value);
    }
    this.#changeSchema(schema, ["twice", index, null]);
  }

  #changeSchema(table: string, [from, to, sql]: readonly [from: string, to: string, sql: string | null]): void {
    this.#database.exec("PRAGMA writable_schema = ON");
    this.#database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'record'").run(table);
    this.#database.prepare("UPDATE sqlite_schema SET name = ?, sql = ? WHERE name = ?").run(to, sql, from);
    this.#database.exec("PRAGMA writable_schema = RESET");
  }

  remove({ tbl, path }: Pick<Row, "tbl" | "path">): void {
    this.#database.prepare(`DELETE FROM ${sqlTableOf(tbl)} WHERE tbl = ? AND path = ?`).run(tbl, path);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** A copy of a data folder with private modes. */
export function copyFolder(from: string, to: string): string {
  // The draft of a running server's witness file comes and goes.
  cpSync(from, to, { recursive: true, mode: 0, filter: (name) => !name.endsWith(".new") });
  return to;
}

/** A server in this process, over REST. */
export interface OpenedServer extends AsyncDisposable {
  readonly rest: Transport;
}

/** Opens the vault and serves it. @throws whatever keeps the server from starting. */
export async function openServer(dataPath: string, masterKey: Buffer): Promise<OpenedServer> {
  const config = readConfig(["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"], {});
  const store = await openSqliteStore(dataPath);
  try {
    const running = await serve({
      config,
      store,
      seals: testSeals(testSeal(masterKey)),
      log: pino({ level: "silent" }),
      announce: () => {},
    });
    const rest = restTransport(running.restUrl);
    return {
      rest,
      async [Symbol.asyncDispose]() {
        rest.close();
        await running.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The 32 bytes of a development server's master key file. */
export function devMasterKey(dataPath: string): Buffer {
  return Buffer.from(readFileSync(join(dataPath, "master.key"), "utf8").trim().slice("base64:".length), "base64");
}
