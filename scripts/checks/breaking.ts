import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, ROOT, runProgram } from "../run-program.ts";

/**
 * Compares the contract with that of the last commit: what clients rely on must not change (buf breaking).
 * @returns What breaks; empty if nothing does, or when there is no commit yet.
 */
export async function checkBreaking(): Promise<string> {
  const head = await runProgram("git", ["rev-parse", "--verify", "--quiet", "HEAD"]);
  if (head.code !== 0) {
    return "";
  }
  const folder = await mkdtemp(join(tmpdir(), "bunkms-breaking-"));
  try {
    const archive = join(folder, "head.tar");
    await mustRun("git", ["archive", "--output", archive, "HEAD", "proto", "buf.yaml"]);
    await mustRun("tar", ["-xf", archive, "-C", folder]);
    // The third-party protos are in no commit, and buf needs them to read either side.
    await cp(join(ROOT, ".cache", "proto"), join(folder, ".cache", "proto"), { recursive: true });
    const { code, output } = await runProgram("buf", ["breaking", "--against", folder]);
    return code === 0 ? "" : output;
  } finally {
    await rm(folder, { recursive: true });
  }
}
