import { stat } from "node:fs/promises";
import { join } from "node:path";
import { profiling, type Run } from "../modes/run.ts";
import { cpuTimeOf, type Memory, memoryOf } from "../process-figures.ts";
import { type BunkmsProcess, dataFolder, startBunkms } from "../targets/bunkms-process.ts";
import { bunkmsWorkloads } from "../targets/bunkms-workloads.ts";
import { fillVault } from "../targets/filled-vault.ts";
import { type Times, timeRequests, timesOf } from "../times.ts";
import { addKeys, COMMON_TAG, RARE_KEYS, RARE_TAG } from "./many-keys-vault.ts";

/** What a vault with many keys is like. */
export interface ManyKeysFigures {
  readonly keys: number;
  readonly databaseBytes: number;
  readonly times: readonly Times[];
  /** Of the server as it is after the last of these starts: before the first page, and after the last. */
  readonly memory: readonly [ready: Memory, after: Memory];
}

const REQUESTS = 50;
const PAGE = 100;
/** The most that a page may have. */
const LARGE_PAGE = 1000;

interface Page {
  readonly keys: readonly unknown[];
  readonly next_page_token: string;
}

/** Makes a vault with many keys, starts the server on it, and asks it for pages. */
export async function measureManyKeys({ options, folder: parent, say, keep }: Run): Promise<ManyKeysFigures> {
  const folder = join(parent, "many-keys");
  const keys = options.manyKeys;
  say(`making ${keys} keys`);
  const rootToken = await fillVault(folder, (vault) => addKeys(vault, keys));
  const databaseBytes = (await stat(join(dataFolder(folder), "bunkms.db"))).size;
  say("starting with them");
  const first = await start(folder);
  const later: Started[] = [];
  for (let i = 1; i < options.starts; i++) {
    later.push(await start(folder));
  }
  const starts = [
    timesOf("from exec to ready, nothing compiled", [first.ms], first.cpu),
    timesOf(
      `from exec to ready, ${later.length} later starts`,
      later.map(({ ms }) => ms),
      later.reduce((sum, { cpu }) => sum + cpu, 0),
    ),
  ];
  say("listing");
  const server = keep(await startBunkms({ folder, logLevel: "warn", nodeFlags: profiling(options) }));
  const ready = await memoryOf(server.pid);
  const lists = await measureLists({ ...server, rootToken }, keys);
  return { keys, databaseBytes, times: [...starts, ...lists], memory: [ready, await memoryOf(server.pid)] };
}

/** One start, in milliseconds. */
interface Started {
  readonly ms: number;
  readonly cpu: number;
}

async function start(folder: string): Promise<Started> {
  const server = await startBunkms({ folder, logLevel: "warn", nodeFlags: [] });
  const cpu = (await cpuTimeOf(server.pid)) / 1000;
  await server.stop();
  return { ms: server.readyMs, cpu };
}

async function measureLists(server: BunkmsProcess, keys: number): Promise<readonly Times[]> {
  const { call } = bunkmsWorkloads(server);
  const page = async (query: Readonly<Record<string, string | number>>): Promise<Page> => {
    const parameters = Object.entries(query).map(([name, value]) => [name, String(value)]);
    return (await call(`/v1/keys?${new URLSearchParams(parameters)}`)) as unknown as Page;
  };
  let middle = "";
  for (let seen = 0; seen < keys / 2; seen += LARGE_PAGE) {
    middle = (await page({ page_size: LARGE_PAGE, page_token: middle })).next_page_token;
  }
  const inTheMiddle = (size: number) => ({ page_size: size, page_token: middle });
  const byTag = (tag: string) => ({ page_size: PAGE, tag });
  const cases = [
    { name: `a page of ${PAGE} in the middle`, query: inTheMiddle(PAGE), found: PAGE },
    { name: `a page of ${LARGE_PAGE} in the middle`, query: inTheMiddle(LARGE_PAGE), found: LARGE_PAGE },
    { name: `a page of ${PAGE} by a tag that all have`, query: byTag(COMMON_TAG), found: PAGE },
    { name: `a search by tag that finds ${RARE_KEYS}`, query: byTag(RARE_TAG), found: RARE_KEYS },
    { name: "a search by tag that finds nothing", query: byTag("audited=never"), found: 0 },
  ];
  const lists: Times[] = [];
  for (const { name, query, found } of cases) {
    const ask = async (): Promise<void> => {
      const answer = await page(query);
      if (answer.keys.length !== found) {
        throw new Error(`${name}: found ${answer.keys.length}`);
      }
    };
    lists.push(await timeRequests(name, server.pid, REQUESTS, ask));
  }
  return lists;
}
