import { join } from "node:path";
import { mustRun } from "../../scripts/run-program.ts";
import { median } from "../statistics.ts";
import { base64, type Workload } from "../targets/target.ts";
import { type Bed, isWanted, measureOn, warmUp } from "./bed.ts";
import { opensslSignRate, opensslVersion } from "./openssl-speed.ts";

/** Signatures of the server, medians over the rounds. */
export interface SigningFigures {
  readonly perSecond: number;
  /** For each second of CPU time that the server spent with all its threads. */
  readonly perCore: number;
  /** `perCore` as part of the yardstick measured just before. */
  readonly ofYardstick: number;
}

/** One row of the table. */
export interface SigningCell {
  readonly name: string;
  /** What the server is compared with, for example `OpenSSL 3.0.19`. */
  readonly yardstick: string;
  /** Its signatures for each second of CPU time. */
  readonly yardstickPerCore: number;
  /** What the bare `crypto.sign` of the runtime makes of it. */
  readonly loopPerCore: number;
  readonly single: SigningFigures;
  /** In the order of {@link BATCHES}. */
  readonly batches: readonly SigningFigures[];
}

interface Algorithm {
  readonly name: string;
  /** The key type of BunKMS. */
  readonly type: string;
  /** What `openssl speed` calls it. */
  readonly openssl: string;
  /** What `crypto.generateKeyPairSync` calls it. */
  readonly runtime: string;
}

interface Row {
  readonly algorithm: Algorithm;
  readonly single: Workload;
  /** In the order of {@link BATCHES}. */
  readonly batches: readonly Workload[];
  readonly samples: Omit<SigningCell, "name">[];
}

const ALGORITHMS: readonly Algorithm[] = [
  { name: "RSA-2048", type: "rsa-2048", openssl: "rsa2048", runtime: "rsa" },
  { name: "Ed25519", type: "ed25519", openssl: "ed25519", runtime: "ed25519" },
  { name: "P-256", type: "ecdsa-p256", openssl: "ecdsap256", runtime: "ec" },
  { name: "ML-DSA-65", type: "ml-dsa-65", openssl: "ML-DSA-65", runtime: "ml-dsa-65" },
];
const LOOP = "crypto.sign";
/** 64 bytes. */
const MESSAGE = base64("x".repeat(64));
/** Items of the batches that are measured. */
export const BATCHES: readonly number[] = [100, 1000];
const SINGLE_CONNECTIONS = 16;
const BATCH_CONNECTIONS = 4;

/** Measures signing over REST, in each round each algorithm right after what it is compared with. */
export async function measureSigning(bed: Bed): Promise<readonly SigningCell[]> {
  const { options, say } = bed;
  const algorithms = ALGORITHMS.filter(({ name }) => isWanted(options, `signing ${name}`));
  if (algorithms.length === 0) {
    return [];
  }
  const version = await opensslVersion();
  const rows: Row[] = [];
  for (const algorithm of algorithms) {
    rows.push(await prepare(bed, algorithm));
  }
  for (let round = 1; round <= options.rounds; round++) {
    say(`signing, round ${round} of ${options.rounds}`);
    for (const { algorithm, single, batches, samples } of rows) {
      const seconds = Math.ceil(options.cellMs / 1000);
      const openssl = await opensslSignRate(algorithm.openssl, seconds);
      const loopPerCore = await loopRate(algorithm.runtime, seconds);
      const yardstickPerCore = openssl ?? loopPerCore;
      const ofSingle = await figures(bed, single, SINGLE_CONNECTIONS, 1, yardstickPerCore);
      const ofBatches: SigningFigures[] = [];
      for (const [i, batch] of batches.entries()) {
        ofBatches.push(await figures(bed, batch, BATCH_CONNECTIONS, BATCHES[i] as number, yardstickPerCore));
      }
      const yardstick = openssl === undefined ? LOOP : (version ?? "");
      samples.push({ yardstick, yardstickPerCore, loopPerCore, single: ofSingle, batches: ofBatches });
    }
  }
  return rows.map(cellOf);
}

async function prepare(bed: Bed, algorithm: Algorithm): Promise<Row> {
  const { call, rest } = bed.workloads;
  const { name, type } = algorithm;
  const path = `/v1/keys/sign-${type}/sign`;
  await call("/v1/keys", { name: `sign-${type}`, type });
  const single = rest(`sign ${name}`, path, { message_b64: MESSAGE }, '"signature_b64":"');
  const batches = BATCHES.map((length) => {
    const items = Array.from({ length }, () => ({ message_b64: MESSAGE }));
    return rest(`sign batch ${name}`, `${path}/batch`, { items }, '"failed":0,');
  });
  bed.say(`warming up ${name}`);
  await warmUp(bed, [single], SINGLE_CONNECTIONS);
  await warmUp(bed, batches, BATCH_CONNECTIONS);
  return { algorithm, single, batches, samples: [] };
}

async function loopRate(type: string, seconds: number): Promise<number> {
  const program = join(import.meta.dirname, "sign-loop.ts");
  return Number(
    await mustRun(process.execPath, ["--disable-warning=ExperimentalWarning", program, type, `${seconds}`]),
  );
}

async function figures(
  bed: Bed,
  workload: Workload,
  connections: number,
  items: number,
  yardstick: number,
): Promise<SigningFigures> {
  const { requestsPerSecond, cpuPerRequest } = await measureOn(bed, workload, connections);
  const perCore = (items * 1e6) / cpuPerRequest;
  return { perSecond: requestsPerSecond * items, perCore, ofYardstick: perCore / yardstick };
}

function cellOf({ algorithm, samples }: Row): SigningCell {
  const middle = (of: (sample: Row["samples"][number]) => number): number => median(samples.map(of));
  const medians = (of: (sample: Row["samples"][number]) => SigningFigures): SigningFigures => ({
    perSecond: middle((sample) => of(sample).perSecond),
    perCore: middle((sample) => of(sample).perCore),
    ofYardstick: middle((sample) => of(sample).ofYardstick),
  });
  return {
    name: algorithm.name,
    yardstick: samples[0]?.yardstick ?? "",
    yardstickPerCore: middle((sample) => sample.yardstickPerCore),
    loopPerCore: middle((sample) => sample.loopPerCore),
    single: medians(({ single }) => single),
    batches: BATCHES.map((_, i) => medians(({ batches }) => batches[i] as SigningFigures)),
  };
}
