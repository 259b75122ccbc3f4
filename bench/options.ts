import { parseArgs } from "node:util";

/** What is measured: single requests beside the echo; keys, batches and signatures; files beside age; an audit log. */
export type Mode = "requests" | "keys" | "file" | "audit";

/** What the command line asks for. */
export interface BenchOptions {
  readonly mode: Mode;
  /** Length of one measurement. */
  readonly cellMs: number;
  readonly rounds: number;
  /** Before the first round each workload runs for so long, so that the code is compiled when it counts. */
  readonly warmUpMs: number;
  /** Starts on an existing vault. */
  readonly starts: number;
  /** The `bao` program, if it is to be measured too. */
  readonly openbao: string | undefined;
  /** Whether the BunKMS written in Go is to be measured too. */
  readonly bunkmsGo: boolean;
  /** Only what has this in its name: of requests for example `encrypt REST`, of keys `batch` or `signing Ed25519`. */
  readonly only: string;
  /** Keys in the vault that has many. */
  readonly manyKeys: number;
  /** Size of the file that is encrypted. */
  readonly fileMegabytes: number;
  /** Entries of the audit log that is verified. */
  readonly auditEntries: number;
  /** Where the server writes CPU profiles when it stops, if it is to. */
  readonly profileFolder: string | undefined;
}

export const USAGE = `npm run bench -- [--quick] [--seconds N] [--rounds N] [--only TEXT] [--openbao PATH] [--bunkms-go] [--profile FOLDER]
npm run bench -- --keys [--quick] [--seconds N] [--rounds N] [--only TEXT] [--profile FOLDER]
npm run bench -- --file [--quick] [--rounds N]
npm run bench -- --audit [--quick] [--rounds N]

  --quick           one round of one second each: the shape of the table, not its numbers
  --seconds N       seconds for each measurement (3)
  --rounds N        rounds, of which the medians are printed (3)
  --only TEXT       only what has this in its name, for example "encrypt REST"; with --keys "batch", "signing Ed25519",
                    "beside" or "many keys"
  --openbao PATH    measures OpenBao too, started in development mode from this program
  --bunkms-go       measures the BunKMS written in Go too, built from the platform's sources (BUNBASE_SRC)
  --keys            batches, signatures beside openssl, slow work beside quick, a vault of 100,000 keys (--quick: 10,000)
  --file            encrypts and decrypts a file of 1 GB beside age (--quick: 100 MB), and nothing else
  --audit           verifies an audit log of 1,000,000 entries offline (--quick: 100,000), makes proofs, and nothing else
  --profile FOLDER  the server writes a CPU profile there (*.cpuprofile), see bench/top-functions.ts
`;

/** @throws TypeError for a flag that there is not; RangeError for a number that is none, and for two modes. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      seconds: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      openbao: { type: "string" },
      "bunkms-go": { type: "boolean", default: false },
      profile: { type: "string" },
      keys: { type: "boolean", default: false },
      file: { type: "boolean", default: false },
      audit: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    return undefined;
  }
  return {
    mode: modeOf(values),
    cellMs: positive("--seconds", values.seconds ?? (values.quick ? "1" : "3")) * 1000,
    rounds: positive("--rounds", values.rounds ?? (values.quick ? "1" : "3")),
    warmUpMs: values.quick ? 1000 : 3000,
    starts: values.quick ? 3 : 9,
    only: values.only,
    openbao: values.openbao,
    bunkmsGo: values["bunkms-go"],
    manyKeys: values.quick ? 10_000 : 100_000,
    auditEntries: values.quick ? 100_000 : 1_000_000,
    fileMegabytes: values.quick ? 100 : 1000,
    profileFolder: values.profile,
  };
}

function modeOf(flags: Readonly<Record<Exclude<Mode, "requests">, boolean>>): Mode {
  const [mode = "requests", ...others] = (["keys", "file", "audit"] as const).filter((name) => flags[name]);
  if (others.length > 0) {
    throw new RangeError(`--${mode} and --${others[0]} are runs of their own`);
  }
  return mode;
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) {
    throw new RangeError(`${flag} must be a number above zero`);
  }
  return value;
}
