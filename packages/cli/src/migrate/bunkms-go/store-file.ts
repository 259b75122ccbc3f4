import { type FileHandle, open, readdir, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";
import { fileError } from "../../inputs.ts";
import { PAGE_LENGTH } from "./pages.ts";
import { StoreError } from "./store-error.ts";

const PAGES_AT_ONCE = 256;
/** The store makes two pages before anything else, and a tree's first page at each start. */
const LEAST_PAGES = 2;

/**
 * Gives all pages of the store in a data folder to `take`, in their order. The file is opened for reading only.
 * @returns How many.
 * @throws StoreError `no_store`; `in_use` when a process that can be seen has it open; `changed` when it changed meanwhile;
 * `damaged` when it is not whole pages.
 */
export async function readPages(folder: string, take: (page: Buffer, number: number) => void): Promise<number> {
  const path = join(folder, "data.db");
  const file = await openStore(path);
  try {
    await refuseInUse(path);
    const before = await file.stat({ bigint: true });
    const size = Number(before.size);
    if (size % PAGE_LENGTH !== 0 || size < LEAST_PAGES * PAGE_LENGTH) {
      throw new StoreError(
        "damaged",
        `${path} has ${size} bytes, which are not whole pages: it was cut, or is no store of the Go BunKMS`,
        "Copy it again, while no server runs on it.",
      );
    }
    const pages = size / PAGE_LENGTH;
    for (let first = 0; first < pages; first += PAGES_AT_ONCE) {
      const buffer = await readAt(
        file,
        path,
        first * PAGE_LENGTH,
        Math.min(PAGES_AT_ONCE, pages - first) * PAGE_LENGTH,
      );
      for (let at = 0; at < buffer.length; at += PAGE_LENGTH) {
        take(buffer.subarray(at, at + PAGE_LENGTH), first + at / PAGE_LENGTH);
      }
    }
    const after = await file.stat({ bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
      throw changed(path);
    }
    return pages;
  } finally {
    await file.close();
  }
}

async function openStore(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new StoreError("no_store", `there is no ${path}`, "--data names the folder of BUNKMS_DATA_PATH.");
    }
    throw fileError(path, error);
  }
}

async function readAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) {
      throw changed(path);
    }
    filled += bytesRead;
  }
  return buffer;
}

/**
 * The Go server takes no lock, so that whether one runs can only be seen where the system shows who has the file open: on Linux,
 * for processes of the same user, or for root.
 */
async function refuseInUse(path: string): Promise<void> {
  const target = await realpath(path);
  const processes = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const id of processes) {
    const folder = join("/proc", id, "fd");
    // One that has ended meanwhile, or is another user's, shows nothing.
    const descriptors = Number(id) === process.pid ? [] : await readdir(folder).catch(() => []);
    for (const descriptor of descriptors) {
      if ((await readlink(join(folder, descriptor)).catch(() => "")) === target) {
        throw new StoreError(
          "in_use",
          `process ${id} has ${path} open`,
          "Stop the Go server with SIGTERM first: what it has in memory alone is written then, and only then.",
        );
      }
    }
  }
}

const changed = (path: string): StoreError =>
  new StoreError(
    "changed",
    `${path} changed while it was read`,
    "Stop the Go server with SIGTERM first, then try again.",
  );
