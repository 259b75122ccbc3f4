import { ownEntry } from "../../packages/server/src/audit/entry.ts";
import { openOrCreate } from "../../packages/server/src/boot/unseal.ts";
import { readMasterKeyFile } from "../../packages/server/src/config/master-key.ts";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import type { Plan } from "../../packages/server/src/vault/plan.ts";
import { dataFolder, prepareFolder } from "../targets/bunkms-process.ts";

/** Every key of a filled vault has one. */
export const COMMON_TAG = "environment=production";
/** So many keys, spread over all of them, have the rare tag too. */
export const RARE_KEYS = 100;
export const RARE_TAG = "audited=yearly";

const OPTIONS = {
  typeName: "aes-256",
  purpose: "",
  derived: false,
  deterministic: false,
  exportable: false,
  imported: false,
} as const;
/** Below the most that go into one commit. */
const KEYS_A_COMMIT = 200;

/**
 * Makes a vault with so many keys in the data folder of a server that does not run, each with an audit entry as if it had
 * been created by a call. Straight through the vault, which takes a tenth of the calls' time.
 * @returns The root token.
 */
export async function fillVault(folder: string, count: number): Promise<string> {
  const seal = envSeal(readMasterKeyFile(await prepareFolder(folder), "the benchmark's master key").take());
  const store = await openSqliteStore(dataFolder(folder));
  try {
    const { vault, committer, rootToken = "" } = await openOrCreate(store, seal);
    const rareEvery = count / RARE_KEYS;
    for (let made = 0; made < count; made += KEYS_A_COMMIT) {
      const numbers = Array.from({ length: Math.min(KEYS_A_COMMIT, count - made) }, (_, i) => made + i);
      await Promise.all(
        numbers.map(async (number) => {
          const name = keyName(number);
          const tags = tagsOf(number % rareEvery === 0 ? [COMMON_TAG, RARE_TAG] : [COMMON_TAG]);
          const plan = await vault.keys.create(name, OPTIONS, { tags }, Date.now());
          await committer.submit(ownEntry("keys.create", `key/${name}`, Date.now()), plan as Plan<unknown>);
          plan.discard();
        }),
      );
    }
    await committer.idle();
    return rootToken;
  } finally {
    await store.close();
  }
}

/** Names whose order is that of the numbers. */
function keyName(number: number): string {
  return `service-${String(number).padStart(6, "0")}`;
}

function tagsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string]));
}
