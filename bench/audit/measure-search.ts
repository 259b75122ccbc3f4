import { join } from "node:path";
import { encodeEntry } from "../../packages/server/src/audit/entry.ts";
import type { Unsealed } from "../../packages/server/src/boot/unseal.ts";
import type { Run } from "../modes/run.ts";
import { type BunkmsProcess, startBunkms } from "../targets/bunkms-process.ts";
import { bunkmsWorkloads } from "../targets/bunkms-workloads.ts";
import { fillVault } from "../targets/filled-vault.ts";
import { type Times, timeRequests } from "../times.ts";

const REQUESTS = 50;
const PAGE = 100;
const WEEK_MS = 7 * 24 * 3_600_000;
/** So many calls share a commit, as of 32 connections. */
const A_COMMIT = 32;
/** Keys that are used in turns, by so many callers. */
const KEYS = 100;
const CALLERS = 7;
/** So many uses the rare key has, spread over all of the log. */
const RARE_USES = 100;

/** Makes a log of so many entries of a fortnight, and asks a server who used which key in its second week. */
export async function measureSearch({ options, folder: parent, say, keep }: Run): Promise<readonly Times[]> {
  const folder = join(parent, "search");
  const entries = options.auditEntries;
  const began = Date.now() - 2 * WEEK_MS;
  say(`making a vault with ${entries} audit entries`);
  const rootToken = await fillVault(folder, (vault) => addEntries(vault, entries, began));
  const server = keep(await startBunkms({ folder, logLevel: "warn", nodeFlags: [] }));
  say("waiting for its index, and searching it");
  await untilIndexed(server, rootToken);
  return measureQueries({ ...server, rootToken }, new Date(began + WEEK_MS).toISOString(), entries);
}

async function addEntries({ committer, index }: Unsealed, count: number, began: number): Promise<void> {
  let failure: unknown;
  index.start((error) => {
    failure ??= error;
  });
  const rareEvery = count / RARE_USES;
  for (let made = 0; made < count; made += A_COMMIT) {
    const numbers = Array.from({ length: Math.min(A_COMMIT, count - made) }, (_, i) => made + i);
    await Promise.all(
      numbers.map((number) => {
        const key = number % rareEvery === 0 ? "rare" : `key-${(number * 31) % KEYS}`;
        const time = began + Math.floor((number * 2 * WEEK_MS) / count);
        return committer.submit(encodeEntry(useOf(key, number, time)));
      }),
    );
  }
  await index.stop();
  if (failure !== undefined) {
    throw failure;
  }
}

function useOf(key: string, number: number, time: number): Parameters<typeof encodeEntry>[0] {
  const caller = number % CALLERS;
  return {
    time,
    requestId: number.toString(16).padStart(32, "0"),
    identity: { id: caller.toString(16).padStart(32, "0"), name: `service-${caller}`, role: "user" },
    operation: "keys.encrypt",
    resource: `key/${key}`,
    outcome: "ok",
    source: "192.0.2.1",
    transport: "rest",
    request: { key_name: key },
    response: { version: "1", algorithm: "aes-256" },
  };
}

async function untilIndexed(server: BunkmsProcess, token: string): Promise<void> {
  const answer = await fetch(`http://${server.rest}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  if (!/^bunkms_audit_index_lag_entries 0$/m.test(await answer.text())) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await untilIndexed(server, token);
  }
}

async function measureQueries(server: BunkmsProcess, since: string, entries: number): Promise<readonly Times[]> {
  const { call } = bunkmsWorkloads(server);
  const rarePage = Math.min(PAGE, Math.floor(entries / 2 / KEYS / CALLERS));
  const cases = [
    { name: "who used a key, one use in a hundred", query: { resource: "key/key-7" }, found: PAGE },
    { name: "who used a key, the 50 uses of a week", query: { resource: "key/rare" }, found: RARE_USES / 2 },
    { name: "who used a key that nobody used", query: { resource: "key/unused" }, found: 0 },
    { name: "what a caller used", query: { identity: "service-3" }, found: PAGE },
    { name: "a caller's uses of a key", query: { identity: "service-3", resource: "key/key-7" }, found: rarePage },
  ];
  const times: Times[] = [];
  for (const { name, query, found } of cases) {
    const parameters = new URLSearchParams({ ...query, since, page_size: String(PAGE) } as Record<string, string>);
    const ask = async (): Promise<void> => {
      const { entries } = (await call(`/v1/audit/entries?${parameters}`)) as unknown as { entries: readonly unknown[] };
      if (entries.length !== found) {
        throw new Error(`${name}: found ${entries.length}`);
      }
    };
    times.push(await timeRequests(name, server.pid, REQUESTS, ask));
  }
  return times;
}
