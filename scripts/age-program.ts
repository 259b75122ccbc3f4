import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mustRun, ROOT, runProgram } from "./run-program.ts";

/** The version of age that tests and benchmarks use. */
export const AGE_VERSION = "v1.3.2";

const BIN = join(ROOT, ".cache", "bin");

/** Paths of age's programs, once {@link ensureAge} has put them there. */
export const AGE_PROGRAMS = Object.freeze({ age: join(BIN, "age"), keygen: join(BIN, "age-keygen") });

/** Whether age is in .cache/bin, in the version that is asked for. */
export async function hasAge(): Promise<boolean> {
  const versions = await Promise.all(
    Object.values(AGE_PROGRAMS).map(async (program) => (await runProgram(program, ["--version"])).output.trim()),
  );
  return versions.every((version) => version === AGE_VERSION);
}

/**
 * Builds age into .cache/bin if it is not there.
 * @throws Error when Go is not there to build it.
 */
export async function ensureAge(): Promise<void> {
  if (await hasAge()) return;
  await mkdir(BIN, { recursive: true });
  for (const command of ["age", "age-keygen"]) {
    await mustRun("go", ["install", `filippo.io/age/cmd/${command}@${AGE_VERSION}`], { cwd: "/", env: { GOBIN: BIN } });
  }
}
