import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** Room for a few hundred commits, so that a commit fails at each place where it needs a new block. */
const SIZES = process.env.BUNKMS_SOAK === "1" ? ["6m", "7m", "8m", "9m", "10m", "12m", "16m"] : ["8m"];

/** A mount of its own namespace is seen by nobody else and goes with its process, however that ends. */
const UNSHARE = process.geteuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
const MOUNT_AND_RUN = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && exec "$3" "$4" "$5" "$2"';

for (const size of SIZES) {
  test(`REQ-03 on a full disk no commit succeeds that is not there, reads go on, and it recovers by itself (${size})`, (t) => {
    const disk = mkdtempSync(join(tmpdir(), "bunkms-disk-full-"));
    t.after(() => rmSync(disk, { recursive: true, force: true }));
    const script = join(import.meta.dirname, "store-disk-full.ts");
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", script];
    const { status, stdout, stderr, error } = spawnSync(
      "unshare",
      [...UNSHARE, "sh", "-c", MOUNT_AND_RUN, "sh", size, disk, ...node],
      { encoding: "utf8" },
    );
    const needs = "this test needs Linux, unshare(1), mount(8), and the right to mount: root, or user namespaces";
    assert.equal(status, 0, `${error ?? stderr}\n(${needs})`);
    assert.equal(stdout, "held\n");
  });
}
