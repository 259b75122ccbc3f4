import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Effect, readOperations } from "@bunkms/contract";
import { type ServerOptions, startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "../requirements/audit-trail.ts";
import { bothTransports, type Transport } from "../requirements/operation-call.ts";
import { becomesReady, becomesUnready } from "../requirements/readiness.ts";
import { makeObjects, SAMPLE_TEXT, sampleRequest } from "../requirements/sample-requests.ts";
import { readContent } from "../requirements/vault-content.ts";
import { seeded } from "../vectors/seeded.ts";
import { assertUnavailable, Ledger } from "./ledger.ts";
import { mountExt4, mountTmpfs, type SmallDisk } from "./small-disk.ts";

const MEGABYTE = 1024 * 1024;
const CALLERS = 6;
/** A caller who was refused so often in a row stops. */
const REFUSALS = 5;
const DISK_FULL = /disk is full|no space left/i;

test("REQ-03 on a full disk nothing is acknowledged that is not kept, and space brings the server back", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const ledgers = Array.from({ length: CALLERS }, (_, i) => new Ledger(`l${i}`, seeded(`${random.seed}/${i}`)));
  await using place = await startOn(mountTmpfs(4 * MEGABYTE));
  const { disk } = place;

  for (const spareBytes of [0, random.below(40) * 1024, 300 * 1024]) {
    disk.fill(spareBytes);
    await place.workUntilRefused(ledgers);
    disk.free();
    await becomesReady(place.server);
    assert.ok(await place.work(ledgers), "it does not serve though there is room again");
  }
  disk.fill();
  await place.workUntilRefused(ledgers);
  await place.restart(() => disk.free());
  await place.verify(ledgers);
});

test("REQ-03 on a file system turned read-only nothing is acknowledged, and what was is there afterwards", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const ledgers = Array.from({ length: CALLERS }, (_, i) => new Ledger(`l${i}`, seeded(`${random.seed}/${i}`)));
  await using place = await startOn(mountExt4(16 * MEGABYTE));
  const { disk } = place;
  for (let i = 0; i < 10; i++) {
    assert.ok(await place.work(ledgers));
  }
  disk.breakOff();
  await place.workUntilRefused(ledgers);
  await becomesUnready(place.server);
  await place.restart(() => disk.repair());
  await place.verify(ledgers);
  assert.ok(await place.work(ledgers));
});

test("REQ-05 CVE-2026-115357 while the audit log cannot be written nothing leaves and nothing changes", async () => {
  await using place = await startOn(mountTmpfs(4 * MEGABYTE));
  const { disk } = place;
  const { rootToken } = place.server;
  const objects = await makeObjects(place.transports[0], rootToken, "kept");
  const before = await readContent(place.transports[0], rootToken);
  const trail = await readTrail(place.transports[0], rootToken);

  disk.fill();
  await becomesUnready(place.server);
  // What anybody may see of the server is not recorded either, and is nothing of the vault's.
  const recorded = readOperations().filter(({ anonymous, effect }) => !anonymous || effect !== Effect.READ);
  for (const operation of recorded) {
    for (const transport of place.transports) {
      for (const token of [rootToken, undefined]) {
        const request = sampleRequest(operation, objects);
        const answer = await transport.call(operation, request, { token, requestId: "during" });
        assertUnavailable(answer, `${operation.action} over ${transport.name}`);
        assert.ok(!answer.text.includes(SAMPLE_TEXT));
      }
    }
  }
  disk.free();
  await becomesReady(place.server);
  assert.deepEqual(await readContent(place.transports[0], rootToken), before);
  const after = await readTrail(place.transports[0], rootToken, trail.size);
  assert.deepEqual(
    after.entries.filter(({ request_id }) => request_id === "during"),
    [],
  );
});

test("REQ-02 a start on a full disk serves or names the full disk, and the next one finds everything", async () => {
  const disk = mountTmpfs(2 * MEGABYTE);
  disk.fill();
  const full = await startServer(optionsFor(disk)).catch((error: Error) => error);
  disk.free();
  await using place = await startOn(disk);
  assert.ok(full instanceof Error, "it serves without room for anything");
  assert.match(full.message, DISK_FULL);
  const ledgers = [new Ledger("only", seeded("start"))];
  for (let i = 0; i < 20; i++) {
    assert.ok(await place.work(ledgers));
  }
  await place.server.kill();
  disk.fill();
  await startServer(optionsFor(disk)).then(
    (server) => server.remove(),
    (error: Error) => assert.match(error.message, DISK_FULL),
  );
  await place.restart(() => disk.free());
  await place.verify(ledgers);
});

/** A server whose data folder is on a disk of its own. */
class Place implements AsyncDisposable {
  readonly disk: SmallDisk;
  #server: TestServer;
  #transports: readonly [rest: Transport, grpc: Transport];

  constructor(disk: SmallDisk, server: TestServer) {
    this.disk = disk;
    this.#server = server;
    this.#transports = transportsOf(server);
  }

  get server(): TestServer {
    return this.#server;
  }

  get transports(): readonly [rest: Transport, grpc: Transport] {
    return this.#transports;
  }

  /** One step of each. @returns Whether all were done. */
  async work(ledgers: readonly Ledger[]): Promise<boolean> {
    const done = ledgers.map((ledger, i) => ledger.step(this.#turn(i), this.#server.rootToken));
    return (await Promise.all(done)).every((each) => each);
  }

  /** All work until each has been refused some times in a row. */
  async workUntilRefused(ledgers: readonly Ledger[]): Promise<void> {
    const working = ledgers.map(async (ledger, i) => {
      for (let refused = 0; refused < REFUSALS; ) {
        refused = (await ledger.step(this.#turn(i), this.#server.rootToken)) ? 0 : refused + 1;
      }
    });
    await Promise.all(working);
  }

  async verify(ledgers: readonly Ledger[]): Promise<void> {
    const { rootToken } = this.#server;
    for (const [i, ledger] of ledgers.entries()) {
      await ledger.verify(this.#turn(i), rootToken);
    }
    const { entries } = await readTrail(this.#transports[0], rootToken);
    for (const ledger of ledgers) {
      ledger.verifyTrail(entries);
    }
  }

  /** kill -9, and a new start on the same folder. */
  async restart(between: () => void): Promise<void> {
    await this.#close();
    between();
    this.#server = await startServer(optionsFor(this.disk));
    this.#transports = transportsOf(this.#server);
  }

  /** Ends the server, and takes the disk away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.disk.remove();
  }

  async #close(): Promise<void> {
    for (const transport of this.#transports) {
      transport.close();
    }
    await this.#server.remove();
  }

  #turn(i: number): Transport {
    return this.#transports[i % 2] as Transport;
  }
}

async function startOn(disk: SmallDisk): Promise<Place> {
  try {
    return new Place(disk, await startServer(optionsFor(disk)));
  } catch (error) {
    disk.remove();
    throw error;
  }
}

function optionsFor(disk: SmallDisk): ServerOptions {
  return { dataPath: join(disk.path, "data"), args: ["--log-level", "warn"] };
}

function transportsOf(server: TestServer): readonly [Transport, Transport] {
  return bothTransports(server);
}
