import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface BenchOptions {
  /** Length of one measurement. */
  readonly cellMs: number;
  readonly rounds: number;
  /** Before the first round each workload runs for so long, so that the code is compiled when it counts. */
  readonly warmUpMs: number;
  /** Starts on an existing vault. */
  readonly starts: number;
  /** The `bao` program, if it is to be measured too. */
  readonly openbao: string | undefined;
  /** Only workloads whose operation and transport, for example `encrypt REST`, have this in them. */
  readonly only: string;
  /** Where the server writes CPU profiles when it stops, if it is to. */
  readonly profileFolder: string | undefined;
}

export const USAGE = `npm run bench -- [--quick] [--seconds N] [--rounds N] [--only TEXT] [--openbao PATH] [--profile FOLDER]

  --quick           one round of one second each: the shape of the table, not its numbers
  --seconds N       seconds for each measurement (3)
  --rounds N        rounds, of which the medians are printed (3)
  --only TEXT       only what has this in its name, for example "encrypt REST"
  --openbao PATH    measures OpenBao too, started in development mode from this program
  --profile FOLDER  the server writes a CPU profile there (*.cpuprofile), see bench/top-functions.ts
`;

/** @throws TypeError for a flag that there is not; RangeError for a number that is none. */
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
      profile: { type: "string" },
    },
  });
  if (values.help) {
    return undefined;
  }
  return {
    cellMs: positive("--seconds", values.seconds ?? (values.quick ? "1" : "3")) * 1000,
    rounds: positive("--rounds", values.rounds ?? (values.quick ? "1" : "3")),
    warmUpMs: values.quick ? 1000 : 3000,
    starts: values.quick ? 3 : 9,
    only: values.only,
    openbao: values.openbao,
    profileFolder: values.profile,
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) {
    throw new RangeError(`${flag} must be a number above zero`);
  }
  return value;
}
