import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../scripts/run-program.ts";
import { median } from "./statistics.ts";
import { type Age, prepareAge } from "./targets/age.ts";
import type { BunkmsProcess } from "./targets/bunkms-process.ts";

/** One row of the table: wall-clock seconds from start to exit, medians over the rounds. */
export interface FileCell {
  readonly operation: string;
  readonly bunkms: number;
  readonly age: number;
  /** The median of each round's ratio, BunkMS's seconds as part of age's. */
  readonly ratio: number;
}

/** What was measured, and on what. */
export interface FileFigures {
  readonly cells: readonly FileCell[];
  readonly bytes: number;
  readonly ageVersion: string;
}

const CHUNK = 1_000_000;
const CLI = join(import.meta.dirname, "..", "packages", "cli", "bin", "bunkms.js");

interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
}

interface Case {
  readonly operation: string;
  readonly out: string;
  /** What the output must be, if it is kept. */
  readonly expected?: string;
  readonly commands: Readonly<Record<"bunkms" | "age", CommandLine>>;
}

/**
 * Measures the command lines of BunKMS and age on the same file, in turns: each encrypts for a public key or under a key of
 * the server, and decrypts, to a file beside it and to nowhere. The time of each is that of the whole program, with its
 * start and, for BunKMS, its call to the server.
 * @param megabytes Size of the file.
 * @throws Error when a program fails, or what was decrypted is not what was encrypted.
 */
export async function measureFiles(
  server: BunkmsProcess,
  folder: string,
  { megabytes, rounds }: { readonly megabytes: number; readonly rounds: number },
  report: (line: string) => void,
): Promise<FileFigures> {
  const age = await prepareAge(folder);
  const env = {
    BUNKMS_URL: `http://${server.rest}`,
    BUNKMS_TOKEN: server.rootToken,
    XDG_CACHE_HOME: folder,
    XDG_CONFIG_HOME: folder,
  };
  await run(bunkms("key", "create", "files"), env);
  const cases = await prepareCases(folder, age, megabytes, env);
  const samples = cases.map((): { bunkms: number; age: number }[] => []);
  for (let round = 1; round <= rounds; round++) {
    report(`round ${round} of ${rounds}`);
    for (const [index, { out, expected, commands }] of cases.entries()) {
      const sample = { bunkms: 0, age: 0 };
      for (const name of ["age", "bunkms"] as const) {
        // Twice in a row: the first finds the free memory as the other program left it, which on a virtual machine can
        // double the time of a gigabyte written to a file.
        for (let turn = 0; turn < 2; turn++) {
          // What was written before must not go to the disk in this one's time.
          await mustRun("sync", []);
          sample[name] = await run(commands[name], env);
          if (expected !== undefined) {
            await mustRun("cmp", [expected, out]);
          }
          await removeFile(out);
        }
      }
      samples[index]?.push(sample);
    }
  }
  const cells = cases.map(({ operation }, index) => cellOf(operation, samples[index] ?? []));
  return { cells, bytes: megabytes * CHUNK, ageVersion: age.version };
}

/** Makes the plaintext and what each program makes of it, and so warms up both. */
async function prepareCases(
  folder: string,
  age: Age,
  megabytes: number,
  env: Readonly<Record<string, string>>,
): Promise<readonly Case[]> {
  const [plain, out] = [join(folder, "plain"), join(folder, "out")];
  const [sealed, ageSealed] = [join(folder, "plain.bkms"), join(folder, "plain.age")];
  await writeRandom(plain, megabytes);
  const commands = (name: "encrypt" | "decrypt", to: readonly [bunkms: string, age: string]): Case["commands"] =>
    name === "encrypt"
      ? {
          bunkms: bunkms("encrypt-file", plain, "--key", "files", "-o", to[0]),
          age: { program: age.program, args: ["-r", age.recipient, "-o", to[1], plain] },
        }
      : {
          bunkms: bunkms("decrypt-file", sealed, "-o", to[0]),
          age: { program: age.program, args: ["-d", "-i", age.identityFile, "-o", to[1], ageSealed] },
        };
  const first = commands("encrypt", [sealed, ageSealed]);
  await run(first.bunkms, env);
  await run(first.age, env);
  const nowhere = "/dev/null";
  return [
    { operation: "encrypt to a file", out, commands: commands("encrypt", [out, out]) },
    { operation: `encrypt to ${nowhere}`, out: nowhere, commands: commands("encrypt", [nowhere, nowhere]) },
    { operation: "decrypt to a file", out, expected: plain, commands: commands("decrypt", [out, out]) },
    { operation: `decrypt to ${nowhere}`, out: nowhere, commands: commands("decrypt", [nowhere, nowhere]) },
  ];
}

function bunkms(...args: readonly string[]): CommandLine {
  return { program: process.execPath, args: ["--disable-warning=ExperimentalWarning", CLI, ...args] };
}

/** Runs a program that must succeed. @returns seconds. */
async function run({ program, args }: CommandLine, env: Readonly<Record<string, string>>): Promise<number> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...env } });
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - began) / 1000;
  if (code !== 0) {
    throw new Error(`${[program, ...args].join(" ")} ended with ${code}`);
  }
  return seconds;
}

async function writeRandom(file: string, megabytes: number): Promise<void> {
  await using handle = await open(file, "w", 0o600);
  for (let i = 0; i < megabytes; i++) {
    await handle.write(randomBytes(CHUNK));
  }
}

async function removeFile(file: string): Promise<void> {
  if (file !== "/dev/null") {
    await rm(file);
  }
}

function cellOf(operation: string, samples: readonly { readonly bunkms: number; readonly age: number }[]): FileCell {
  return {
    operation,
    bunkms: median(samples.map((one) => one.bunkms)),
    age: median(samples.map((one) => one.age)),
    ratio: median(samples.map((one) => one.bunkms / one.age)),
  };
}
