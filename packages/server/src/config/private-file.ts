import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { ConfigError } from "./config-error.ts";

/** What was read, and whether only its owner can read or change it. */
export interface FileContent {
  /** The caller owns the bytes, and zeroes them if they are secret. */
  readonly bytes: Buffer;
  /** See `isPrivate`. */
  readonly isPrivate: boolean;
}

/** Who this process is to the file system. */
interface Self {
  /** Undefined where there are no users, as on Windows. */
  readonly uid: number | undefined;
  readonly groups: readonly number[];
}

/**
 * Whether a file is private to this process: nobody but its owner has any permission on it; or it is root's, who lets a group of this
 * process, which is not root's own, read it.
 */
export function isPrivate({ mode, uid, gid }: Pick<Stats, "mode" | "uid" | "gid">, self: Self = whoWeAre()): boolean {
  const ofOthers = mode & 0o077;
  return ofOthers === 0 || (ofOthers === 0o040 && uid === 0 && self.uid !== 0 && self.groups.includes(gid));
}

function whoWeAre(): Self {
  return { uid: process.geteuid?.(), groups: process.getgroups?.() ?? [] };
}

/**
 * Reads a small regular file through one descriptor, so that the permissions are those of the bytes that were read.
 * @param what The setting that names the file, for the error.
 * @throws ConfigError if it cannot be opened, is no regular file or is larger than `maxBytes`.
 */
export function readSmallFile(path: string, what: string, maxBytes: number): FileContent {
  const descriptor = open(path, what);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) {
      throw new ConfigError([`${what}: is not a regular file`]);
    }
    if (status.size > maxBytes) {
      throw new ConfigError([`${what}: the file is larger than ${maxBytes} bytes`]);
    }
    return { bytes: readWhole(descriptor, status.size, what), isPrivate: isPrivate(status) };
  } finally {
    closeSync(descriptor);
  }
}

/** @throws ConfigError if the file cannot be opened for reading. */
export function requireReadable(path: string, what: string): void {
  closeSync(open(path, what));
}

function open(path: string, what: string): number {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer instead of being refused.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new ConfigError([
      `${what}: the file cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`,
    ]);
  }
}

function readWhole(descriptor: number, size: number, what: string): Buffer {
  const bytes = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(descriptor, bytes, filled, size - filled, null);
    if (count === 0) {
      bytes.fill(0);
      throw new ConfigError([`${what}: the file changed while it was read`]);
    }
    filled += count;
  }
  return bytes;
}
