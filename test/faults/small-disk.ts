import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of a few megabytes of its own. */
export interface SmallDisk {
  readonly path: string;
  /** Leaves room for so many bytes. */
  fill(spareBytes?: number): void;
  /** Gives all room back. */
  free(): void;
  /** From now on nothing can be written, also by those who have files open. Only a file system of blocks can do that. */
  breakOff(): void;
  /** Unmounts and mounts again, as after a restart of the machine. Nobody may have files open. */
  repair(): void;
  remove(): void;
}

const PAGE = 4096;

/**
 * A file system in memory.
 * @throws AssertionError when this user may not mount: the tests that need it then fail, they are not left out.
 */
export function mountTmpfs(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-disk-"));
  mount(["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "tmpfs", folder]);
  return disk(folder, undefined);
}

/** An ext4 file system in a file: it stops writing when it finds an error, which `breakOff` makes it believe. */
export function mountExt4(bytes: number): SmallDisk {
  const home = mkdtempSync(join(tmpdir(), "bunkms-disk-"));
  const image = join(home, "image");
  const descriptor = openSync(image, "w", 0o600);
  ftruncateSync(descriptor, bytes);
  closeSync(descriptor);
  run("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
  const folder = mkdtempSync(join(tmpdir(), "bunkms-mount-"));
  mount(["-o", "loop", image, folder]);
  return disk(folder, { home, image });
}

function disk(path: string, block: { readonly home: string; readonly image: string } | undefined): SmallDisk {
  const ballast = join(path, "ballast");
  return {
    path,
    fill(spareBytes = 0) {
      const descriptor = openSync(ballast, "a", 0o600);
      try {
        const written = writeUntilFull(descriptor);
        ftruncateSync(descriptor, Math.max(0, written - spareBytes));
      } finally {
        closeSync(descriptor);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    breakOff: () => mount(["-o", "remount,abort", path]),
    repair() {
      assert.ok(block !== undefined, "a file system in memory cannot be mounted again");
      run("umount", [path]);
      run("fsck.ext4", ["-p", "-f", block.image], [0, 1]);
      mount(["-o", "loop", block.image, path]);
    },
    remove() {
      // Lazily: a server that a failed test has left may still be dying.
      run("umount", ["-l", path]);
      rmSync(path, { recursive: true, force: true });
      if (block !== undefined) {
        rmSync(block.home, { recursive: true, force: true });
      }
    },
  };
}

/** @returns The length of the file then. */
function writeUntilFull(descriptor: number): number {
  const page = Buffer.alloc(PAGE);
  try {
    for (;;) {
      writeSync(descriptor, page);
    }
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
  return fstatSync(descriptor).size;
}

function mount(args: readonly string[]): void {
  const { status, stderr } = spawnSync("mount", args, { encoding: "utf8" });
  assert.equal(status, 0, `this test needs the right to mount file systems (root): ${stderr}`);
}

function run(program: string, args: readonly string[], good: readonly number[] = [0]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  assert.ifError(error);
  assert.ok(good.includes(status ?? -1), `${program}: ${stderr}`);
}
