/**
 * Makes the disk fail under a store in this process: argument 1 says how, argument 2 is a new folder. It tells what
 * the store did as JSON, and leaves without closing it.
 */

import assert from "node:assert/strict";
import { dlopen } from "node:ffi";
import { statSync } from "node:fs";
import { join } from "node:path";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { StoreUnavailable } from "../../packages/server/src/store/store.ts";
import { applyCommit, assertHolds, headOf } from "./store-workload.ts";

const NO_LIMIT = 2n ** 64n - 1n;
const EIO = 5;

const { functions: libc } = dlopen(null, {
  prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
  setrlimit: { arguments: ["i32", "buffer"], return: "i32" },
});

/**
 * Lets every fsync of this thread fail from now on, with a system call filter (seccomp(2), SECCOMP_MODE_FILTER). It
 * cannot be taken back.
 */
async function failFsync(): Promise<void> {
  const { getRawPointer } = await import("node:ffi");
  const [fsync, fdatasync] = process.arch === "arm64" ? [82, 83] : [74, 75];
  // struct sock_filter: code, jump if true, jump if false, operand.
  const program = [
    [0x20, 0, 0, 0], // load the number of the system call
    [0x15, 1, 0, fsync], // fsync: skip one
    [0x15, 0, 1, fdatasync], // not fdatasync: skip one
    [0x06, 0, 0, 0x0005_0000 | EIO], // return this error
    [0x06, 0, 0, 0x7fff_0000], // allow
  ] as const;
  const filter = Buffer.alloc(8 * program.length);
  for (const [i, [code, whenTrue, whenFalse, operand]] of program.entries()) {
    filter.writeUInt16LE(code, 8 * i);
    filter.writeUInt8(whenTrue, 8 * i + 2);
    filter.writeUInt8(whenFalse, 8 * i + 3);
    filter.writeUInt32LE(operand >>> 0, 8 * i + 4);
  }
  // struct sock_fprog: length, padding, pointer.
  const fprog = Buffer.alloc(16);
  fprog.writeUInt16LE(program.length, 0);
  fprog.writeBigUInt64LE(getRawPointer(filter), 8);
  const PR_SET_NO_NEW_PRIVS = 38;
  const PR_SET_SECCOMP = 22;
  const SECCOMP_MODE_FILTER = 2n;
  assert.equal(libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), 0);
  assert.equal(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, getRawPointer(fprog), 0n, 0n), 0, "no seccomp here");
}

/** Lets every write beyond so many bytes of a file fail with EFBIG (setrlimit(2), RLIMIT_FSIZE). */
function limitFiles(bytes: bigint): void {
  const RLIMIT_FSIZE = 1;
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(bytes, 0);
  limit.writeBigUInt64LE(NO_LIMIT, 8);
  assert.equal(libc.setrlimit(RLIMIT_FSIZE, limit), 0);
}

function isDiskFailure(error: unknown): boolean {
  assert.ok(error instanceof StoreUnavailable, `${error}`);
  assert.match(error.message, /the disk failed to read or write/);
  return true;
}

const [kind, folder = ""] = process.argv.slice(2);
const store = await openSqliteStore(folder);
const log = join(folder, "bunkms.db-wal");
let head = 0;
const commitNext = async () => {
  await applyCommit(store, head + 1);
  head++;
};
for (let i = 0; i < 25; i++) {
  await commitNext();
}

async function assertRefusesAndReads(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await assert.rejects(commitNext(), isDiskFailure);
    await assertHolds(store, head, "while the disk fails");
  }
}

/** Commits while files may not grow beyond `limit`. @returns How many failed; reads must show those that did not. */
async function commitWithin(limit: bigint): Promise<number> {
  let failures = 0;
  limitFiles(limit);
  for (let i = 0; i < 5; i++) {
    await commitNext().catch((error) => {
      failures += Number(isDiskFailure(error));
    });
    await assertHolds(store, head, `with files of at most ${limit} bytes`);
  }
  limitFiles(NO_LIMIT);
  return failures;
}

switch (kind) {
  case "fsync":
    await failFsync();
    await assertRefusesAndReads();
    break;
  case "write": {
    // Without a handler this signal would end the process before the write can fail.
    process.on("SIGXFSZ", () => {});
    // The log cannot grow, but the database can take it up: what failed is wiped from the log before anything else is
    // written.
    limitFiles(BigInt(statSync(log).size) + 4120n);
    await assert.rejects(commitNext(), isDiskFailure);
    assert.equal(statSync(log).size, 0);
    await assertHolds(store, head, "after the log was emptied");
    // Neither log nor database can be written: every commit fails.
    assert.equal(await commitWithin(4096n), 5);
    // The log cannot grow, at each part of a frame.
    for (const room of [0n, 10n, 24n, 30n, 4119n, 4120n, 4125n]) {
      await commitNext();
      await commitNext();
      assert.ok((await commitWithin(BigInt(statSync(log).size) + room)) >= 1);
    }
    await commitNext();
    await assertHolds(store, head, "after the disk has recovered");
    break;
  }
  case "checkpoint": {
    process.on("SIGXFSZ", () => {});
    const fill = async (path: string) =>
      store.commit([{ table: "probe", path, value: new Uint8Array(1_000_000), expected: 0 }]);
    for (let i = 0; i < 100; i++) {
      await fill(`before/${i}`);
    }
    // The log may grow to the size of the database, and the database not at all: SQLite does not say so when it
    // commits.
    limitFiles(BigInt(statSync(join(folder, "bunkms.db")).size));
    let commits = 0;
    await assert.rejects(async () => {
      for (; commits < 90; commits++) {
        await fill(`during/${commits}`);
      }
    }, isDiskFailure);
    assert.ok(
      commits > 30 && statSync(log).size < 70_000_000,
      `${commits} commits, a log of ${statSync(log).size} bytes`,
    );
    limitFiles(NO_LIMIT);
    await fill("after");
    assert.ok(statSync(log).size < 2_000_000);
    assert.equal((await store.list("probe", { prefix: "during/", limit: 100 })).length, commits);
    break;
  }
  default:
    throw new Error(`unknown failure: ${kind}`);
}
console.log(await headOf(store));
process.kill(process.pid, "SIGKILL");
