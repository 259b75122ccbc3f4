import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { loadKeyring } from "../../packages/server/src/vault/keyring.ts";
import { readKeyring } from "../../packages/server/src/vault/keyring-record.ts";
import { Records } from "../../packages/server/src/vault/records.ts";
import { openRoot, readSlots } from "../../packages/server/src/vault/root.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const DEADLINE_MS = 20_000;

test("REQ-07 sealing takes the vault's keys, and those that were used, out of the process's memory", async () => {
  const masterKey = randomBytes(32);
  const server = await startServer({ dev: false, env: { BUNKMS_MASTER_KEY: masterKey.toString("hex") } });
  try {
    await call(server, "POST", "/v1/keys", { name: "a" });
    await call(server, "POST", "/v1/encrypt/a", { plaintext: "x" });
    const keys = await keysOf(server, masterKey);
    const before = await occurrences(server.pid, keys);
    // Of the base key, only what is derived from it is kept.
    assert.ok(
      before.every((found, i) => found > 0 || i === 2),
      String(before),
    );
    await call(server, "POST", "/v1/sys/seal", {});
    const deadline = performance.now() + DEADLINE_MS;
    let left: readonly number[];
    do {
      await sleep(200);
      left = await occurrences(server.pid, keys);
    } while (left.some((found) => found > 0) && performance.now() < deadline);
    assert.deepEqual(left, [0, 0, 0, 0]);
  } finally {
    await server.remove();
  }
});

async function call({ url, rootToken }: TestServer, method: string, path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${rootToken}`, "content-type": "application/json" };
  const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, await response.text());
}

/** Root key, barrier key, base key and the one key's material, read out of a copy. */
async function keysOf({ dataPath }: TestServer, masterKey: Buffer): Promise<readonly Buffer[]> {
  const copy = join(dataPath, "..", "copy");
  // The draft of the witness file comes and goes.
  cpSync(dataPath, copy, { recursive: true, filter: (name) => !name.endsWith(".new") });
  const store = await openSqliteStore(copy);
  const { root } = await openRoot(await readSlots(store), envSeal(Buffer.from(masterKey)), AbortSignal.timeout(10_000));
  const { content } = await readKeyring(store, root);
  const records = new Records(store, root.cluster, loadKeyring(content));
  const [material] = await records.list("key-material", { limit: 1 });
  await store.close();
  const barrier = content.barrierKeys[0];
  return [root.key, barrier?.key, content.baseKey, material?.payload].map((key) => Buffer.from(key as Uint8Array));
}

/** How often each of these is in the memory that a process can read. */
async function occurrences(pid: number, needles: readonly Buffer[]): Promise<readonly number[]> {
  const memory = await open(`/proc/${pid}/mem`, "r");
  const counts = needles.map(() => 0);
  try {
    for (const line of (await readFile(`/proc/${pid}/maps`, "utf8")).split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
      const [start, end] = [Number.parseInt(from ?? "", 16), Number.parseInt(to ?? "", 16)];
      // V8 reserves gigabytes without using them; heaps and stacks are smaller.
      if (!(end - start < 2 ** 30)) {
        continue;
      }
      for (let at = start; at < end; at += CHUNK) {
        await count(memory, at, Math.min(end, at + CHUNK + OVERLAP), needles, counts);
      }
    }
  } finally {
    await memory.close();
  }
  return counts;
}

const CHUNK = 2 ** 24;
/** So that what lies across two chunks is found in the first: a key has 32 bytes. */
const OVERLAP = 31;

async function count(
  memory: FileHandle,
  start: number,
  end: number,
  needles: readonly Buffer[],
  counts: number[],
): Promise<void> {
  const bytes = Buffer.alloc(end - start);
  // What the kernel maps into every process, [vvar], cannot be read.
  const { bytesRead } = await memory.read(bytes, 0, bytes.length, start).catch(() => ({ bytesRead: 0 }));
  const readable = bytes.subarray(0, bytesRead);
  needles.forEach((needle, i) => {
    for (let at = readable.indexOf(needle); at !== -1; at = readable.indexOf(needle, at + 1)) {
      counts[i] = (counts[i] ?? 0) + 1;
    }
  });
}
