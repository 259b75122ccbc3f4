import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

/** What one address may have entries of at once. */
const BURST = 4000;
const AT_ONCE = 50;
const LIST = operationOf("keys.list");

let folder: string;
let server: TestServer;
let transports: readonly Transport[];
/** On the first start alone it is told. */
let root: string;
let sent = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-flood-"));
  await start();
  root = server.rootToken;
});

after(async () => {
  closeAll(transports);
  await server.remove();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ args: ["--log-level", "error"], dataPath: join(folder, "data") });
  transports = bothTransports(server);
}

/** Calls without a valid token, half of them without any, over both transports in turn. @returns How often each answer came. */
async function flood(count: number): Promise<Readonly<Record<string, number>>> {
  const answers: Record<string, number> = {};
  let left = count;
  sent += count;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const transport = transports[left % 2] as Transport;
      const token = left % 4 < 2 ? undefined : "bkms_s_nonsense";
      const { code, status }: Answer = await transport.call(LIST, {}, { token });
      const answer = `${transport.name} ${status} ${code}`;
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return answers;
}

const of = (answers: Readonly<Record<string, number>>, code: string): number =>
  Object.entries(answers).reduce((sum, [answer, times]) => sum + (answer.endsWith(` ${code}`) ? times : 0), 0);

interface Told {
  readonly single: number;
  readonly counts: readonly TrailEntry[];
  readonly counted: number;
}

/** What the log says of refused strangers. */
async function told(): Promise<Told> {
  const { entries } = await readTrail(transports[0] as Transport, root);
  const counts = entries.filter(({ operation }) => operation === "calls.refuse");
  return {
    single: entries.filter(({ outcome }) => outcome === "unauthenticated").length,
    counts,
    counted: counts.reduce((sum, entry) => sum + Number(entry.request["calls"]), 0),
  };
}

test("REQ-32 a flood of strangers is in the log to the last call, most of it as counts", async () => {
  const answers = await flood(BURST + 1000);
  assert.deepEqual(Object.keys(answers).toSorted(), [
    "grpc 16 unauthenticated",
    "grpc 8 too_many_requests",
    "rest 401 unauthenticated",
    "rest 429 too_many_requests",
  ]);
  const [single, counted] = [of(answers, "unauthenticated"), of(answers, "too_many_requests")];
  assert.ok(single >= BURST && single < BURST + 100, `${single} had an entry of their own`);
  await sleep(1200);
  const log = await told();
  assert.deepEqual([log.single, log.counted], [single, counted]);
  assert.ok(log.counts.length > 0 && log.counts.length < 10, `${log.counts.length} entries with counts`);
  for (const { request: said, outcome, identity, transport } of log.counts) {
    assert.deepEqual([said["addresses"], outcome, identity, transport], ["1", "too_many_requests", "", "local"]);
    assert.ok(Date.parse(String(said["since"])) <= Date.now());
  }
});

test("REQ-37 from the same address, whoever has a token is served meanwhile", async () => {
  for (const transport of transports) {
    assert.equal((await transport.call(LIST, {}, { token: root })).code, "ok");
  }
});

test("REQ-32 what strangers of another address do has entries of its own meanwhile", async () => {
  await flood(AT_ONCE);
  const agent = new Agent({ localAddress: "127.0.0.2" });
  const status = await new Promise((resolve, reject) => {
    request(`${server.url}/v1/keys`, { agent, headers: { "x-request-id": "from-elsewhere" } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  agent.destroy();
  sent += 1;
  assert.equal(status, 401);
  const { entries } = await readTrail(transports[0] as Transport, root);
  const found = entries.filter(({ request_id }) => request_id === "from-elsewhere");
  assert.deepEqual(
    found.map(({ outcome, source_address }) => [outcome, source_address]),
    [["unauthenticated", "127.0.0.2"]],
  );
});

test("REQ-32 a server that stops amid a flood has every call of it in the log", async () => {
  const answers = await flood(500);
  assert.ok(of(answers, "too_many_requests") > 0);
  closeAll(transports);
  assert.equal(await server.stop(), 0);
  await server.remove();
  await start();
  const { single, counted } = await told();
  assert.equal(single + counted, sent);
});
