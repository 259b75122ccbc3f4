import { constants } from "node:fs";
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encodeBundle, TILE_WIDTH, tilePath } from "@bunkms/tlog";
import { sha256 } from "../crypto/hash.ts";

/** What a manifest tells of the bundles that were archived in one go. */
interface ArchivedRange {
  readonly origin: string;
  /** Index of the first entry, and after the last one: multiples of 256. */
  readonly first: number;
  readonly end: number;
  /** Root of the tree of the first `end` entries. */
  readonly root: Buffer;
}

/** A manifest, as it was written. */
export interface Manifest {
  /** File name in the folder. */
  readonly name: string;
  /** SHA-256 of its bytes. */
  readonly digest: Buffer;
}

/** The most bytes of a bundle: 256 entries of 65,535 bytes, each after its length. */
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + 0xffff);
/** A named pipe is not waited for: that would take one of the few threads that files are read by. */
const OLD_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** What a crash left under a draft's name. */
const OLD_DRAFT = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The folder where entry bundles are archived, in the layout of C2SP tlog-tiles: a verifier reads it as it reads a log. It
 * is another one than the vault's, and what is read back from it is not trusted: the tree's hashes tell whether it is what was
 * written. A folder belongs to one log.
 */
export class ArchiveFolder {
  readonly #path: string;

  /** @param path From the settings alone, never from a caller. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Whether the folder is there: the first archiving makes it. */
  async isThere(): Promise<boolean> {
    try {
      return (await stat(this.#path)).isDirectory();
    } catch {
      return false;
    }
  }

  /**
   * Writes a full bundle; on disk when it is done. One that is there is written anew.
   * @returns SHA-256 of its file.
   */
  async writeBundle(index: number, entries: readonly Buffer[]): Promise<Buffer> {
    const bundle = encodeBundle(entries);
    await this.#write(bundlePath(index), bundle);
    return sha256(bundle);
  }

  /** A bundle that was archived; undefined when there is none. @throws Error when it cannot be read. */
  async readBundle(index: number): Promise<Buffer | undefined> {
    try {
      const file = await open(join(this.#path, bundlePath(index)), OLD_FILE);
      try {
        const stats = await file.stat();
        return stats.isFile() && stats.size <= MAX_BUNDLE_BYTES ? await file.readFile() : undefined;
      } finally {
        await file.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * Writes what was archived.
   * @param digests SHA-256 of each bundle's file, the first one's first.
   */
  async writeManifest(range: ArchivedRange, digests: readonly Buffer[]): Promise<Manifest> {
    const { origin, first, end, root } = range;
    const bundles = digests.map((digest, i) => ({
      path: bundlePath(first / TILE_WIDTH + i),
      sha256: digest.toString("hex"),
    }));
    const text = `${JSON.stringify({ v: 1, origin, first, end, root: root.toString("base64"), bundles })}\n`;
    const name = `manifest-${String(first).padStart(15, "0")}-${String(end).padStart(15, "0")}.json`;
    await this.#write(name, Buffer.from(text));
    return { name, digest: sha256(Buffer.from(text)) };
  }

  /** Writes a file under another name first: under its own it is whole, or not there. */
  async #write(name: string, content: Buffer): Promise<void> {
    const path = join(this.#path, name);
    const folder = dirname(path);
    const firstMade = await makeFolder(folder);
    const draft = `${path}.new`;
    const file = await openNew(draft);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    // Folders that were made are names in those above them, which are to outlast a power failure as well: entries are pruned.
    const highest = firstMade === undefined ? folder : dirname(firstMade);
    await syncFolder(folder);
    for (let at = folder; at !== highest && at !== dirname(at); ) {
      at = dirname(at);
      await syncFolder(at);
    }
  }
}

/**
 * Makes a folder, and those above it, where they are not there. Node's own `recursive` tries for ever where the folder above is there and
 * says ENOENT all the same, as in /proc.
 * @returns The highest that was made.
 */
async function makeFolder(folder: string): Promise<string | undefined> {
  const isAboveThere = await stat(dirname(folder)).then(
    () => true,
    () => false,
  );
  const highest = isAboveThere ? undefined : await makeFolder(dirname(folder));
  try {
    await mkdir(folder, { mode: 0o700 });
    return highest ?? folder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return highest;
    }
    throw error;
  }
}

/** A new file of its owner alone, in the place of one that a crash left. */
async function openNew(path: string): ReturnType<typeof open> {
  try {
    return await open(path, NEW_FILE, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
    return open(path, OLD_DRAFT);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Where a bundle lies in the folder. */
export function bundlePath(index: number): string {
  return tilePath({ level: "entries", index, width: TILE_WIDTH });
}
