import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openOrCreate } from "../../packages/server/src/boot/unseal.ts";
import { readMasterKeyFile } from "../../packages/server/src/config/master-key.ts";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "../requirements/audit-trail.ts";
import { bothTransports, closeAll, operationOf, type Transport } from "../requirements/operation-call.ts";
import { seeded } from "../vectors/seeded.ts";
import { SHARED_KEY, Worker } from "./kill-oracle.ts";
import { TrailMemory } from "./kill-trail.ts";
import { asking, verifyShared, verifyTrail, verifyWorker } from "./kill-verify.ts";

const ROUNDS = Number(process.env["BUNKMS_TEST_ROUNDS"] ?? (process.env["BUNKMS_SOAK"] === "1" ? 1000 : 100));
const FULL_EVERY = 50;
const WORKERS = 8;

test(`REQ-01 ${ROUNDS} rounds of kill -9 under mixed writes lose nothing that was acknowledged`, async (context) => {
  const random = seeded();
  context.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const folder = await mkdtemp(join(tmpdir(), "bunkms-kill-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const workers = Array.from({ length: WORKERS }, (_, i) => new Worker(`w${i}`, seeded(`${random.seed}/${i}`)));
  const acknowledged = new Map<string, string>();
  let trail = new TrailMemory();

  await untilKilled(folder, async ({ rootToken }, [rest]) => {
    const created = await rest.call(operationOf("keys.create"), { name: SHARED_KEY }, { token: rootToken });
    assert.equal(created.code, "ok", created.text);
  });
  for (let round = 1; round <= ROUNDS; round++) {
    await untilKilled(folder, async (server, transports) => {
      await verify(server.rootToken, transports, round % FULL_EVERY === 0);
      const working = workers.map((worker, i) => worker.work(turn(transports, i), server.rootToken));
      await Promise.all([sleep(20 + random.below(230)).then(server.kill), ...working]);
    });
  }
  await untilKilled(folder, (server, transports) => verify(server.rootToken, transports, true));
  await verifyOffline(join(folder, "data"), workers);
  context.diagnostic(`${acknowledged.size} acknowledged calls`);
  assert.ok(acknowledged.size > ROUNDS * WORKERS, "too light a load to prove anything");

  async function verify(token: string, transports: Transports, everything: boolean): Promise<void> {
    trail = everything ? new TrailMemory() : trail;
    trail.add(await readTrail(transports[0], token, trail.size));
    for (const worker of workers) {
      verifyTrail(worker.acknowledged, trail);
      for (const [requestId, action] of worker.acknowledged) {
        acknowledged.set(requestId, action);
      }
      worker.acknowledged.clear();
    }
    if (everything) {
      verifyTrail(acknowledged, trail);
    }
    await verifyShared(workers, asking(transports[0], token), trail);
    const verifying = workers.map((worker, i) =>
      verifyWorker(worker, asking(turn(transports, i), token), trail, everything),
    );
    await Promise.all(verifying);
  }
});

/** REST and gRPC of the same server. */
type Transports = readonly [rest: Transport, grpc: Transport];

function turn([rest, grpc]: Transports, i: number): Transport {
  return i % 2 === 0 ? rest : grpc;
}

/** Starts a server on the folder, and kills it when the work is done. */
async function untilKilled(
  folder: string,
  work: (server: TestServer, transports: Transports) => Promise<void>,
): Promise<void> {
  const server = await startServer({
    dataPath: join(folder, "data"),
    configHome: join(folder, "config"),
    args: ["--log-level", "warn"],
  });
  const transports: Transports = bothTransports(server);
  try {
    await work(server, transports);
  } finally {
    await server.remove();
    closeAll(transports);
  }
}

/** No call can ask for an old version to be used for new data; the vault itself can open each. */
async function verifyOffline(dataPath: string, workers: readonly Worker[]): Promise<void> {
  const store = await openSqliteStore(dataPath);
  try {
    const masterKey = readMasterKeyFile(join(dataPath, "master.key"), "master.key").take();
    const { vault } = await openOrCreate(store, envSeal(masterKey));
    for (const { name, latest } of workers.flatMap((worker) => worker.keys)) {
      for (let version = 1; version <= latest; version++) {
        const key = await vault.keys.get(name);
        const opened = await vault.keys.open(key, version);
        assert.equal(opened.version, version, name);
      }
    }
  } finally {
    await store.close();
  }
}
