/**
 * Makes a vault in the folder given, or opens it, and records entries in its audit log, the last of them with a checkpoint;
 * tells after each how long the store's log is and how many entries are acknowledged; then dies with all of it in that log.
 */
import { statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ownEntry } from "../../packages/server/src/audit/entry.ts";
import { openOrCreate } from "../../packages/server/src/boot/unseal.ts";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";

const [folder = "", count = ""] = process.argv.slice(2);
const store = await openSqliteStore(folder);
const { committer, log, checkpoints } = await openOrCreate(store, envSeal(Buffer.alloc(32, 7)));
for (let i = 0; i < Number(count); i++) {
  await committer.submit(ownEntry(`test.${i}`, "", 0), undefined, i % 3 === 2);
  const { size } = statSync(join(folder, "bunkms.db-wal"));
  writeSync(1, `${size} ${log.frontier.size} ${checkpoints.latest?.size ?? 0}\n`);
}
process.kill(process.pid, "SIGKILL");
