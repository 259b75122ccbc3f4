/** Files and folders that only their owner may read or write, whatever the umask. */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { StoreRefused } from "./store-refused.ts";

/** Any right of the group or of others. */
const OTHERS = 0o077;

/**
 * Makes the folder with mode 0700 if there is none.
 * @throws StoreRefused if it is not a folder, or not private to this user; the system's error if it cannot be written.
 */
export function ensurePrivateFolder(folder: string): void {
  // Says undefined if the folder was there already: the rights of a folder that we did not make are not ours to change.
  if (makeFolder(folder)) {
    chmodSync(folder, 0o700);
  }
  const stats = statSync(folder);
  if (!stats.isDirectory()) {
    throw new StoreRefused("not-private", `${folder} is not a folder`);
  }
  refuseSharedAccess(folder, stats, "700");
  // SQLite would open its files for reading only, and fail later with an error that does not say why.
  accessSync(folder, constants.W_OK);
}

/**
 * Makes a folder of mode 0700, and those above it, where they are not there. Node's own `recursive` tries for ever where the folder above
 * is there and says ENOENT all the same, as in /proc.
 * @returns Whether it was made.
 * @throws the system's error.
 */
export function makeFolder(folder: string): boolean {
  if (!existsSync(dirname(folder))) {
    makeFolder(dirname(folder));
  }
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw error;
  }
}

/**
 * @returns Whether the file exists.
 * @throws StoreRefused if it exists and is a link or no plain file, or is not private to this user.
 */
export function checkPrivateFile(file: string): boolean {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined) {
    return false;
  }
  if (!stats.isFile() || stats.nlink > 1) {
    throw new StoreRefused("not-private", `${file} is not a plain file under one name`);
  }
  refuseSharedAccess(file, stats, "600");
  return true;
}

/**
 * Makes an empty file with mode 0600.
 *
 * Closing any descriptor of a file drops all locks that this process has on it (POSIX fcntl). That is safe here only
 * since the file is new: `wx` fails if there was one.
 */
export function createPrivateFile(file: string): void {
  writeFileSync(file, "", { flag: "wx", mode: 0o600 });
  chmodSync(file, 0o600);
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function refuseSharedAccess(path: string, stats: Stats, mode: string): void {
  if ((stats.mode & OTHERS) !== 0) {
    const now = (stats.mode & 0o777).toString(8);
    throw new StoreRefused(
      "not-private",
      `other users may access ${path} (mode ${now}): make it private with: chmod ${mode} ${path}`,
    );
  }
  const self = process.geteuid?.();
  if (stats.uid !== self) {
    throw new StoreRefused("not-private", `${path} belongs to user ${stats.uid}, and this process runs as ${self}`);
  }
}
