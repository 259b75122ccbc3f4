import type { Stats } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type { ExitCode } from "./exit-codes.ts";
import { Failure, usage } from "./failure.ts";
import type { Io } from "./io.ts";
import { makeFolder } from "./make-folder.ts";

const MAX_BYTES = 64 * 1024;

/** The folder of this user's bunkms files: `$XDG_CONFIG_HOME/bunkms`, else `~/.config/bunkms`. @throws Failure without a home. */
export function configFolder(io: Io): string {
  const base = io.env["XDG_CONFIG_HOME"] || join(io.env["HOME"] || homeOfUser(), ".config");
  return join(base, "bunkms");
}

function homeOfUser(): string {
  const home = findHome();
  // With an empty HOME a login would lie in the folder where bunkms is run, which may be anybody's.
  if (home === undefined || !isAbsolute(home)) {
    throw usage(
      "this user has no home, where a login could lie",
      "Set HOME or XDG_CONFIG_HOME, or give --url and --token-file.",
    );
  }
  return home;
}

function findHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/**
 * Reads a file that holds, or leads to, a token.
 * @returns undefined when there is none.
 * @throws Failure when others can read or write it: a token that others know is nobody's, and a pointer that others
 * can change sends the token to them.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      return undefined;
    }
    throw new Failure(3, `cannot read ${path}: ${code}`);
  }
  try {
    await requirePrivate(file, path, 3);
    const text = await file.readFile("utf8");
    if (text.length > MAX_BYTES) {
      throw new Failure(3, `${path} is too large to be a token`);
    }
    return text;
  } catch (error) {
    throw error instanceof Failure ? error : new Failure(3, `cannot read ${path}: ${(error as Error).message}`);
  } finally {
    await file.close();
  }
}

/**
 * Asked of the open file, so that it is the one that is read.
 * @throws Failure with this exit code when others than its owner can read or write it.
 */
export async function requirePrivate(file: FileHandle, path: string, exitCode: ExitCode): Promise<void> {
  const stats = await file.stat();
  // A folder is refused when it is read, and a terminal is its user's, whatever its mode.
  const hasNone = stats.isDirectory() || stats.isCharacterDevice();
  if (process.platform !== "win32" && !hasNone && !isPrivate(stats)) {
    const octal = (stats.mode & 0o777).toString(8).padStart(4, "0");
    throw new Failure(exitCode, `${path} is open to others (mode ${octal})`, `Close it: chmod 600 ${path}`);
  }
}

/** Who runs this process, to the file system. */
interface Self {
  readonly uid: number | undefined;
  readonly groups: readonly number[];
}

/**
 * Whether nobody but a file's owner has any permission on it; or it is root's, who lets a group of this user, who is not root, read it:
 * so Kubernetes mounts a secret. The server takes key files by the same rule.
 */
export function isPrivate({ mode, uid, gid }: Pick<Stats, "mode" | "uid" | "gid">, self: Self = whoWeAre()): boolean {
  const ofOthers = mode & 0o077;
  return ofOthers === 0 || (ofOthers === 0o040 && uid === 0 && self.uid !== 0 && self.groups.includes(gid));
}

function whoWeAre(): Self {
  return { uid: process.geteuid?.(), groups: process.getgroups?.() ?? [] };
}

/** Puts a file of this user's in place at once, with mode 0600, and its folder with mode 0700. */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path), 0o700);
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
