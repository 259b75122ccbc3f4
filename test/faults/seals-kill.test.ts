import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer } from "../harness/server.ts";
import { type Answer, operationOf, restTransport } from "../requirements/operation-call.ts";
import { type Seeded, seeded } from "../vectors/seeded.ts";
import { type Doubt, type FoundVault, SlotOracle } from "./slot-oracle.ts";

const ROUNDS = Number(process.env["BUNKMS_TEST_ROUNDS"] ?? (process.env["BUNKMS_SOAK"] === "1" ? 200 : 12));
const SHARES = { secret_shares: 3, secret_threshold: 2 } as const;
/** A round is killed during one of so many changes. */
const CHANGES = 8;
/** Of one table, for a rotation to go over. */
const RECORDS = 300;
const AT_ONCE = 64;

/** Calls a server until it is killed; afterwards there is no answer. */
type Call = (action: string, request?: JsonObject) => Promise<Answer>;

/** One folder, its random numbers, and what must be in it. */
interface Trial {
  readonly oracle: SlotOracle;
  readonly random: Seeded;
  readonly folder: string;
  token: string;
}

function randomOf(context: TestContext): Seeded {
  const random = seeded();
  context.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  return random;
}

async function trial(context: TestContext, random = randomOf(context)): Promise<Trial> {
  const folder = await mkdtemp(join(tmpdir(), "bunkms-seals-kill-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return { oracle: new SlotOracle(folder), random, folder, token: "" };
}

/** Starts a server on the folder, with these seals for a new vault, and kills it when the work is done. */
async function untilKilled(
  own: Trial,
  work: (call: Call, kill: () => Promise<void>) => Promise<void>,
  seals = "env",
): Promise<void> {
  const server = await startServer({
    dev: false,
    dataPath: join(own.folder, "data"),
    args: ["--log-level", "warn", "--root-token-ttl", "0"],
    env: { ...own.oracle.env, BUNKMS_SEALS: seals },
  });
  own.token = server.rootToken || own.token;
  const rest = restTransport(server.url);
  try {
    const call: Call = (action, request = {}) => rest.call(operationOf(action), request, { token: own.token });
    await work(call, server.kill);
  } finally {
    await server.remove();
    rest.close();
  }
}

/** Makes a vault whose only slot is of the master key. */
async function makeVault(own: Trial, work: (call: Call) => Promise<void> = async () => {}): Promise<void> {
  await untilKilled(own, async (call) => {
    const { slots } = await must(call("seals.list_slots"));
    for (const { id, kind } of slots as { id: string; kind: string }[]) own.oracle.slots.set(id, { kind, shares: [] });
    await work(call);
  });
  await own.oracle.verify();
}

async function must(answering: Promise<Answer>): Promise<JsonObject> {
  const answer = await answering;
  assert.equal(answer.code, "ok", answer.text);
  return answer.value;
}

/** Waits until no records are left to be sealed anew. Each question is one more: an entry of the audit log. */
async function ended(call: Call): Promise<void> {
  while ((await must(call("seals.get_barrier_rotation")))["in_progress"] === true) await sleep(20);
}

/** Unseals it by shares, if no key of the settings has a slot now. */
async function open({ oracle }: Trial, call: Call): Promise<void> {
  const { state } = await must(call("seals.get_status"));
  if (state === "sealed") {
    for (const key of oracle.shares ?? []) await must(call("seals.unseal", { key }));
  }
}

/** Rounds of a start, of changes one after the other beside other writes, a kill, and a look at what is there. */
async function killRounds(own: Trial, change: (call: Call) => Promise<boolean>): Promise<void> {
  let writes = 0;
  let changes = 0;
  let changeMs = 10;
  for (let round = 1; round <= ROUNDS; round++) {
    await untilKilled(own, async (call, kill) => {
      await open(own, call);
      const changing = async (): Promise<void> => {
        for (let left = own.random.below(CHANGES); left > 0; left--) {
          const start = performance.now();
          assert.ok(await change(call));
          changeMs = performance.now() - start;
          changes += 1;
        }
        // Somewhere within the next one, however quick or slow the machine is.
        const killing = sleep(own.random.below(1.2 * changeMs)).then(kill);
        while (await change(call));
        await killing;
      };
      const writing = async (): Promise<void> => {
        while ((await call("secrets.put", { name: `s/${writes % 20}`, value: "v" })).code === "ok") writes += 1;
      };
      await Promise.all([changing(), writing()]);
    });
    await own.oracle.verify();
  }
  assert.ok(changes > ROUNDS && writes > 0, `too light a load: ${changes} changes, ${writes} writes`);
}

/** Calls for a change. @param done Notes it, when it was acknowledged. @returns Whether the server is still there. */
async function changed(
  { oracle }: Trial,
  answering: Promise<Answer>,
  doubt: Doubt,
  done: (value: JsonObject) => void,
): Promise<boolean> {
  const answer = await answering;
  if (answer.code === "no answer") {
    oracle.doubt = doubt;
    return false;
  }
  assert.equal(answer.code, "ok", answer.text);
  done(answer.value);
  return true;
}

function enough(shares: unknown): readonly string[] {
  return (shares as readonly string[]).slice(0, SHARES.secret_threshold);
}

function addSlot(own: Trial, call: Call, kind: string): Promise<boolean> {
  const request = { kind, ...(kind === "shamir" ? SHARES : {}) };
  return changed(own, call("seals.add_slot", request), { change: "add", kind }, ({ slot, shares }) => {
    own.oracle.slots.set((slot as { id: string }).id, { kind, shares: enough(shares) });
  });
}

function removeSlot(own: Trial, call: Call, id: string): Promise<boolean> {
  return changed(own, call("seals.remove_slot", { id }), { change: "remove", id }, () => {
    own.oracle.slots.delete(id);
  });
}

function oneOf<T>(random: Seeded, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}

test(`REQ-27 ${ROUNDS} rounds of kill -9 while a vault is made leave a whole one or none`, async (context) => {
  const random = randomOf(context);
  let initialiseMs = 0;
  let acknowledged = 0;
  let whole = 0;
  // The first one is not cut off, and tells how long it takes.
  for (let round = 0; round <= ROUNDS; round++) {
    const own = await trial(context, random);
    let told: JsonObject | undefined;
    const initialise = async (call: Call, kill: () => Promise<void>): Promise<void> => {
      const start = performance.now();
      const answering = call("seals.initialise", SHARES);
      await (round === 0 ? answering : sleep(initialiseMs * (0.5 + random.below(100) / 125)).then(kill));
      const { code, value, text } = await answering;
      initialiseMs ||= performance.now() - start;
      told = code === "ok" ? value : undefined;
      assert.ok(told !== undefined || code === "no answer", text);
    };
    await untilKilled(own, initialise, "file,shamir");
    acknowledged += Number(told !== undefined);
    const kinds = await own.oracle.adopt(enough(told?.["shares"] ?? []));
    if (kinds.length === 0) {
      assert.equal(told, undefined, "a vault that was acknowledged is gone");
      continue;
    }
    whole += 1;
    assert.deepEqual(kinds.toSorted(), ["file", "shamir"]);
    await own.oracle.verify();
  }
  context.diagnostic(`${whole} whole vaults, ${acknowledged} of them acknowledged`);
});

test(`REQ-27 ${ROUNDS} rounds of kill -9 while slots are added and removed`, async (context) => {
  const own = await trial(context);
  const { oracle, random } = own;
  await makeVault(own);
  await killRounds(own, (call) => {
    const missing = ["env", "file", "shamir"].filter((kind) => kind === "shamir" || !oracle.hasKind(kind));
    // One that somebody can open must be left, however the removal ends.
    const removable = [...oracle.slots.keys()].filter((id) => oracle.openable.some((other) => other !== id));
    const isToRemove = oracle.slots.size > 5 || (removable.length > 0 && random.below(2) === 0);
    return isToRemove ? removeSlot(own, call, oneOf(random, removable)) : addSlot(own, call, oneOf(random, missing));
  });
});

test(`REQ-27 ${ROUNDS} rounds of kill -9 while slots are rewrapped`, async (context) => {
  const own = await trial(context);
  const { oracle, random } = own;
  await makeVault(own, async (call) => {
    for (const kind of ["file", "shamir", "shamir"]) await addSlot(own, call, kind);
  });
  await killRounds(own, (call) => {
    const id = oneOf(random, [...oracle.slots.keys()]);
    const { kind } = oracle.slots.get(id) as { kind: string };
    return changed(own, call("seals.rewrap_slot", { id }), { change: "rewrap", id }, ({ shares }) => {
      oracle.slots.set(id, { kind, shares: enough(shares) });
      oracle.rewrapped.add(id);
    });
  });
});

test(`REQ-27 ${ROUNDS} rounds of kill -9 while the root key is rotated`, async (context) => {
  const own = await trial(context);
  await makeVault(own, async (call) => {
    for (const kind of ["file", "shamir"]) await addSlot(own, call, kind);
  });
  await killRounds(own, (call) =>
    changed(own, call("seals.rotate_root"), { change: "rotate" }, () => {
      for (const id of own.oracle.slots.keys()) own.oracle.rewrapped.add(id);
    }),
  );
});

test(`REQ-27 ${ROUNDS} rounds of kill -9 while records are sealed anew: it goes on, and ends`, async (context) => {
  const own = await trial(context);
  const { oracle, random } = own;
  await makeVault(own, async (call) => {
    const names = Array.from({ length: RECORDS }, (_, i) => `many/${i}`);
    // Of one token's calls the server takes 256 at once.
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      await Promise.all(some.map((name) => must(call("secrets.put", { name, value: name }))));
    }
  });
  let rotationMs = 0;
  await untilKilled(own, async (call) => {
    const start = performance.now();
    await must(call("seals.rotate_barrier"));
    await ended(call);
    rotationMs = performance.now() - start;
  });
  let version = 2;
  let unfinished = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    await untilKilled(own, async (call, kill) => {
      // One that was cut off in the round before goes on; of every other one, the end is seen.
      if (round % 2 === 0) await ended(call);
      const rotating = async (): Promise<void> => {
        const answer = await call("seals.rotate_barrier");
        assert.ok(["ok", "no answer", "rotation_in_progress"].includes(answer.code), answer.text);
        version = Number(answer.value["version"] ?? version);
      };
      await Promise.all([rotating(), sleep(random.below(rotationMs)).then(kill)]);
    });
    const found = await oracle.verify();
    assert.ok(found.barrierVersion >= version, "an acknowledged rotation is gone");
    version = found.barrierVersion;
    unfinished += Number(found.hasOldBarrier);
    assert.ok([...found.usedBarriers].every((used) => found.hasOldBarrier || used === found.barrierVersion));
  }
  context.diagnostic(`${unfinished} of ${ROUNDS} rotations were cut off; barrier key ${version}`);
  assert.ok(unfinished > 0, "no rotation was cut off");
  await untilKilled(own, async (call) => {
    await ended(call);
    for (let i = 0; i < RECORDS; i += 50) {
      const { value_b64 } = await must(call("secrets.get", { name: `many/${i}` }));
      assert.equal(Buffer.from(value_b64 as string, "base64").toString(), `many/${i}`);
    }
  });
  const { barrierVersion, hasOldBarrier, usedBarriers }: FoundVault = await oracle.verify();
  assert.equal(hasOldBarrier, false);
  assert.deepEqual([...usedBarriers], [barrierVersion]);
});
