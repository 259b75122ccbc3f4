import { ownEntry } from "../../packages/server/src/audit/entry.ts";
import type { Unsealed } from "../../packages/server/src/boot/unseal.ts";
import type { Plan } from "../../packages/server/src/vault/plan.ts";

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

/** Gives a vault so many keys, each with an audit entry as if it had been created by a call. */
export async function addKeys({ vault, committer }: Unsealed, count: number): Promise<void> {
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
}

/** Names whose order is that of the numbers. */
function keyName(number: number): string {
  return `service-${String(number).padStart(6, "0")}`;
}

function tagsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string]));
}
