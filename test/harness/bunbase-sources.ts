import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const REPOSITORY = "https://github.com/KartikBazzad/bunbase";
const COMMIT = "6a50f82fe6a54763162f0482b9b90dc0a95133fe";
/** What tells the platform's sources from any other folder. */
const MARK = join("bun-kms", "go.mod");

let found: string | undefined;

/**
 * The folder of the BunBase platform's sources, for tests that run its services: `BUNBASE_SRC`, else the folder beside the
 * repository, else a shallow clone of the pinned commit. Read only: a test copies what it builds.
 * @throws Error that says what to do, when none is there.
 */
export function bunbaseSources(): string {
  found ??= find();
  return found;
}

function find(): string {
  const named = process.env["BUNBASE_SRC"];
  if (named !== undefined) {
    if (!existsSync(join(named, MARK))) {
      throw new Error(`BUNBASE_SRC names a folder without ${MARK}: ${named}`);
    }
    return resolve(named);
  }
  const beside = resolve(import.meta.dirname, "..", "..", "..", "shared", "bunbase");
  return existsSync(join(beside, MARK)) ? beside : clone();
}

function clone(): string {
  const folder = mkdtempSync(join(tmpdir(), "bunbase-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const git = (...args: readonly string[]) => execFileSync("git", ["-C", folder, ...args], { stdio: "pipe" });
  try {
    git("init", "--quiet");
    git("fetch", "--quiet", "--depth", "1", REPOSITORY, COMMIT);
    git("checkout", "--quiet", "FETCH_HEAD");
    return folder;
  } catch (cause) {
    throw new Error(
      `the sources of BunBase are needed: set BUNBASE_SRC to a checkout of ${REPOSITORY} at ${COMMIT}, or let git reach it`,
      { cause },
    );
  }
}
