import { constants } from "node:fs";
import { open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MAX_ENTRY_BYTES, TILE_WIDTH, tilePath, tilesOf } from "@bunkms/tlog";
import { Failure, usage } from "../failure.ts";
import { fileError } from "../inputs.ts";
import { makeFolder } from "../make-folder.ts";

/** The most bytes of a full bundle, each of whose entries comes after two bytes; nothing else in the folder is larger. */
const MAX_FILE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);
const ABSENT = new Set(["ENOENT", "ENOTDIR"]);

/** A log in a folder, laid out as C2SP tlog-tiles says: `checkpoint`, `tile/…`, and beside them `handovers`. */
export class MirrorFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @returns undefined when there is no such file. @throws Failure when it cannot be read. */
  async readFile(name: string): Promise<Buffer | undefined> {
    const path = join(this.path, name);
    try {
      return await readPlain(path);
    } catch (error) {
      if (error instanceof Failure) {
        throw error;
      }
      if (ABSENT.has((error as NodeJS.ErrnoException).code ?? "")) {
        return undefined;
      }
      throw fileError(path, error);
    }
  }

  /** Writes a file, readable by its owner only, that has its name only when it is whole, and on disk. @throws Failure */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.path, name);
    const temporary = join(dirname(path), `.bunkms-${process.pid}-${Date.now()}.new`);
    try {
      await makeFolder(dirname(path));
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      const { code, syscall, path: at } = error as NodeJS.ErrnoException;
      throw usage(syscall === "mkdir" ? `cannot make the folder ${at}: ${code}` : `cannot write ${path}: ${code}`);
    }
  }

  /** Removes the partial tiles and bundles that a log of this size does not have, where it had some before. */
  async removeOutgrown(before: number, size: number): Promise<void> {
    const kept = new Set([...tilesOf(size, size)].map(tilePath));
    for (const address of tilesOf(before, before)) {
      if (address.width < TILE_WIDTH) {
        await this.#removePartial(dirname(tilePath(address)), kept);
      }
    }
  }

  async #removePartial(folder: string, kept: ReadonlySet<string>): Promise<void> {
    const names = await readdir(join(this.path, folder)).catch(() => []);
    const outgrown = names.filter((name) => /^\d+$/.test(name) && !kept.has(`${folder}/${name}`));
    for (const name of outgrown) {
      await rm(join(this.path, folder, name), { force: true });
    }
    if (outgrown.length === names.length) {
      await rmdir(join(this.path, folder)).catch(() => {});
    }
  }
}

/** Reads a file as far as a folder from elsewhere may be trusted: a link to a device, or a pipe, would never end. */
async function readPlain(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) {
      throw new Failure(8, `${path} is no plain file, or larger than any part of a log`);
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}
