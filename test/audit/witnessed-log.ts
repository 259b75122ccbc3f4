import { after } from "node:test";
import { openCheckpoint } from "@bunkms/tlog";
import { Witnessing, type WitnessingParts } from "../../packages/server/src/audit/witnesses/witnessing.ts";
import { type CannedAnswer, type CannedServer, startCannedServer } from "../harness/canned-server.ts";
import { LOG_KEY, TestReport, testCheckpoints, testCosigner, testFrontier, testPolicy } from "./cosigned-log.ts";

const servers: CannedServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

/** What a witness does with the note of a submission; undefined: it cosigns, then. */
type Behaviour = (note: string) => CannedAnswer | Promise<CannedAnswer | undefined>;

/** A log under test with its witnesses, each of which cosigns unless it is told otherwise. */
export async function witnessed(count: number, needed: number, changes: Partial<WitnessingParts> = {}) {
  const time = { now: 0 };
  const report = new TestReport();
  const saved: (string | undefined)[] = [];
  const seats = Array.from({ length: count }, (_, i) => ({
    name: `W${i + 1}`,
    cosigner: testCosigner(`w${i + 1}.example`),
    asked: [] as string[],
    behave: undefined as Behaviour | undefined,
  }));
  const witnesses = await Promise.all(
    seats.map(async (seat) => {
      const server = await startCannedServer(async ({ body }) => {
        const text = body.toString();
        const note = text.slice(text.indexOf("\n\n") + 2);
        seat.asked.push(note);
        return (await seat.behave?.(note)) ?? { status: 200, body: seat.cosigner.cosign(note) };
      });
      servers.push(server);
      return { name: seat.name, key: seat.cosigner.key, url: server.url };
    }),
  );
  const checkpoints = testCheckpoints(() => time.now);
  const policy = testPolicy(witnesses, needed);
  const parts: WitnessingParts = {
    policy,
    checkpoints,
    logKeys: () => [LOG_KEY],
    load: async () => undefined,
    save: async (_, note) => void saved.push(note),
    logSize: () => checkpoints.latest?.size ?? 0,
    proveConsistency: async () => [],
    clock: () => time.now,
    monotonic: () => time.now,
    report,
    ...changes,
  };
  const witnessing = new Witnessing(parts);
  after(() => witnessing.stop());
  return {
    time,
    report,
    saved,
    seats,
    checkpoints,
    witnessing,
    policy,
    parts,
    grow: (size: number) => checkpoints.sign(testFrontier(size)),
    /** Looks, and waits for what comes of it. */
    look: async () => {
      witnessing.look();
      await witnessing.idle();
    },
    /** How many entries enough have cosigned. */
    cosigned: () => checkpoints.cosigned?.size,
    names: () => {
      const { note = "" } = checkpoints.cosigned ?? {};
      return openCheckpoint(note, { logs: [LOG_KEY], policy: policy.policy }).witnesses.map(({ name }) => name);
    },
  };
}
