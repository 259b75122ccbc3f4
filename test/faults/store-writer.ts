/** Writes to the store in the folder of its first argument until it is killed, and tells each commit that succeeded. */

import { writeSync } from "node:fs";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { RevisionConflict } from "../../packages/server/src/store/store.ts";
import { applyCommit, headOf } from "./store-workload.ts";

const store = await openSqliteStore(process.argv[2] ?? "");
// Synchronous, so that what was told is in the pipe before the next commit begins.
const tell = (n: number) => writeSync(1, `${n}\n`);

let n = await headOf(store);
tell(n);
for (;;) {
  await applyCommit(store, ++n);
  tell(n);
  if (n % 7 === 0) {
    await failOnPurpose();
  }
}

/**
 * A transaction that is rolled back when it is larger than SQLite's cache leaves frames in the log: they must not
 * confuse recovery.
 */
async function failOnPurpose(): Promise<void> {
  const large = n % 70 === 0 ? 3 : 0;
  const filling = Array.from({ length: large }, (_, i) => ({
    table: "probe" as const,
    path: `${i}`,
    value: Buffer.alloc(7_000_000),
    expected: 0,
  }));
  const conflict = { table: "meta" as const, path: "head", value: null, expected: 0 };
  try {
    await store.commit([...filling, conflict]);
  } catch (error) {
    if (error instanceof RevisionConflict) {
      return;
    }
    throw error;
  }
  throw new Error("a conflicting commit was applied");
}
