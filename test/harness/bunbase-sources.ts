import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../scripts/run-program.ts";

const REPOSITORY = "https://github.com/KartikBazzad/bunbase";
/** What the tests were written for. */
const COMMIT = "6a50f82fe6a54763162f0482b9b90dc0a95133fe";

let found: string | undefined;

/**
 * The folder with the sources of the BunBase platform, whose services the tests build as they are: `BUNBASE_SRC`, else
 * `shared/bunbase` beside the repository or further up, else a shallow clone of the public repository, kept in `.cache`. Read only: who
 * builds takes a copy (`copyModules`).
 *
 * @throws Error when they cannot be had. A test then fails: it is never skipped.
 */
export function bunbaseSources(): string {
  found ??= find();
  return found;
}

/**
 * Copies modules into a temporary folder, beside each other, as their `replace` lines want it. Removed when the process ends.
 * @returns The folder that holds them.
 */
export function copyModules(...modules: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-bunbase-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  execFileSync("cp", ["-R", ...modules.map((module) => join(bunbaseSources(), module)), folder]);
  // The go command completes go.sum, which may be read only where it comes from.
  execFileSync("chmod", ["-R", "u+w", folder]);
  return folder;
}

function find(): string {
  const given = process.env["BUNBASE_SRC"];
  if (given !== undefined) {
    return checked(given, "BUNBASE_SRC");
  }
  const beside = foldersAbove(ROOT)
    .map((folder) => join(folder, "shared", "bunbase"))
    .find((folder) => existsSync(folder));
  return beside === undefined ? checked(clone(), "the clone") : checked(beside, beside);
}

/** The nearest first. */
function foldersAbove(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [] : [above, ...foldersAbove(above)];
}

function clone(): string {
  const folder = join(ROOT, ".cache", `bunbase-${COMMIT}`);
  if (existsSync(join(folder, "bun-kms", "go.mod"))) {
    return folder;
  }
  try {
    rmSync(folder, { recursive: true, force: true });
    execFileSync("git", ["init", "--quiet", folder]);
    execFileSync("git", ["-C", folder, "fetch", "--quiet", "--depth=1", REPOSITORY, COMMIT]);
    execFileSync("git", ["-C", folder, "checkout", "--quiet", "FETCH_HEAD"]);
    return folder;
  } catch (cause) {
    throw new Error(
      "the sources of BunBase are needed: name their folder in BUNBASE_SRC, have them in ../shared/bunbase, " +
        `or let git fetch ${REPOSITORY}`,
      { cause },
    );
  }
}

function checked(folder: string, what: string): string {
  const path = join(folder, "bun-kms", "go.mod");
  if (!existsSync(path) || !readFileSync(path, "utf8").startsWith("module github.com/kartikbazzad/bunbase/bun-kms")) {
    throw new Error(`${what}: holds no sources of BunBase`);
  }
  return folder;
}
