import { mustRun } from "../../scripts/run-program.ts";
import { median } from "../statistics.ts";
import { base64 } from "../targets/target.ts";
import { type Bed, isWanted, measureOn, warmUp } from "./bed.ts";
import { opensslVersion } from "./openssl-speed.ts";

/** One row of the table, medians over the rounds: encrypts while something else is done. */
export interface BesideCell {
  readonly name: string;
  /** How often it was done, per second. */
  readonly perSecond: number;
  /** Of encrypt when nothing else was done, in milliseconds. */
  readonly quietP99: number;
  /** While it was done. */
  readonly p99: number;
  readonly ofQuiet: number;
}

/** Slow work, one after the other without a pause. */
interface SlowWork {
  readonly name: string;
  doOnce(): Promise<unknown>;
}

const CONNECTIONS = 4;
const SIGNING_KEY = "beside-signing";
/** 32 bytes, in the place of a SHA-256 digest. */
const DIGEST = base64("d".repeat(32));

/** Measures encrypt over REST, in each round in turns with nothing and with slow work beside it. */
export async function measureBeside(bed: Bed): Promise<readonly BesideCell[]> {
  const { options, say } = bed;
  const works = (await slowWorks(bed)).filter(({ name }) => isWanted(options, `beside ${name}`));
  if (works.length === 0) {
    return [];
  }
  const { call, rest } = bed.workloads;
  await call("/v1/keys", { name: "beside" });
  await call("/v1/keys", { name: SIGNING_KEY, type: "rsa-4096" });
  const encrypt = rest("encrypt", "/v1/encrypt/beside", { plaintext: "x".repeat(64) }, '"ciphertext":"bkms');
  say("warming up encrypt");
  await warmUp(bed, [encrypt], CONNECTIONS);
  const samples = works.map((): Omit<BesideCell, "name">[] => []);
  for (let round = 1; round <= options.rounds; round++) {
    say(`slow work beside encrypt, round ${round} of ${options.rounds}`);
    for (const [index, work] of works.entries()) {
      const { p99: quietP99 } = await measureOn(bed, encrypt, CONNECTIONS);
      const repeated = repeat(work);
      const { p99 } = await measureOn(bed, encrypt, CONNECTIONS);
      samples[index]?.push({ perSecond: await repeated.end(), quietP99, p99, ofQuiet: p99 / quietP99 });
    }
  }
  return works.map(({ name }, index) => cellOf(name, samples[index] ?? []));
}

async function slowWorks({ workloads: { call } }: Bed): Promise<readonly SlowWork[]> {
  let keys = 0;
  const works = [
    {
      name: "RSA-4096 keys created",
      doOnce: () => call("/v1/keys", { name: `beside-${keys++}`, type: "rsa-4096" }),
    },
    {
      name: "RSA-4096 signatures of digests",
      doOnce: () => call(`/v1/keys/${SIGNING_KEY}/sign`, { digest_b64: DIGEST }),
    },
  ];
  // The same for the machine, and nothing to the server: it shows what the loss of a core does to the p99.
  const comparison = {
    name: "for comparison, RSA-4096 keys made by openssl",
    doOnce: () => mustRun("openssl", ["genrsa", "-out", "/dev/null", "4096"]),
  };
  return (await opensslVersion()) === undefined ? works : [...works, comparison];
}

/** Does it over and over. */
function repeat(work: SlowWork): { end(): Promise<number> } {
  const began = performance.now();
  let goesOn = true;
  let times = 0;
  const done = (async () => {
    while (goesOn) {
      await work.doOnce();
      times += 1;
    }
  })();
  // Its failure is told by `end`.
  done.catch(() => {});
  return {
    async end() {
      goesOn = false;
      await done;
      return times / ((performance.now() - began) / 1000);
    },
  };
}

function cellOf(name: string, samples: readonly Omit<BesideCell, "name">[]): BesideCell {
  const middle = (figure: keyof Omit<BesideCell, "name">): number => median(samples.map((one) => one[figure]));
  return {
    name,
    perSecond: middle("perSecond"),
    quietP99: middle("quietP99"),
    p99: middle("p99"),
    ofQuiet: middle("ofQuiet"),
  };
}
