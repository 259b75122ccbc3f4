import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The folder of a Go module that has test vectors, downloaded by the go command when it is not in its cache.
 *
 * @param module With its version.
 * @param sum The hash that Go's checksum database has for it.
 * @throws Error when the vectors cannot be had. A test then fails: it is never skipped.
 */
export function goModuleFolder(module: string, sum: string): string {
  // An empty folder, so that no go.mod above it takes part.
  const empty = mkdtempSync(join(tmpdir(), "go-module-"));
  try {
    const answer = JSON.parse(
      execFileSync("go", ["mod", "download", "-json", module], { cwd: empty, encoding: "utf8" }),
    ) as { Dir: string; Sum: string };
    if (answer.Sum !== sum) throw new Error(`${module} has the checksum ${answer.Sum}`);
    return answer.Dir;
  } catch (cause) {
    throw new Error(`the test vectors ${module} are needed and could not be had; is Go installed?`, { cause });
  } finally {
    rmSync(empty, { recursive: true });
  }
}
