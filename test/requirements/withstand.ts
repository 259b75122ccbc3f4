import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestServer } from "../harness/server.ts";
import { bothTransports, operationOf, type Transport } from "./operation-call.ts";

const MAX_GROWTH_MIB = 150;
const PAUSE_MS = 50;

/**
 * Runs an attack on a server, and checks meanwhile that its resident memory grows by less than 150 MiB and that another
 * caller is served over REST and gRPC, however slowly.
 * @returns What the attack returns.
 * @throws AssertionError when the server does not withstand it.
 */
export async function withstand<T>(server: TestServer, attack: () => Promise<T>): Promise<T> {
  const bystanders = bothTransports(server);
  try {
    // Opens the connections, so that the first measurement has all that an ordinary caller costs.
    await beServed(bystanders, server.rootToken);
    const before = await residentMiB(server.pid);
    let highest = before;
    let ended = false;
    const look = async (): Promise<void> => {
      do {
        await beServed(bystanders, server.rootToken);
        highest = Math.max(highest, await residentMiB(server.pid));
        await sleep(PAUSE_MS);
      } while (!ended);
    };
    const watch = look();
    let result: T;
    try {
      result = await attack();
    } finally {
      ended = true;
      await watch;
    }
    const growth = highest - before;
    assert.ok(growth < MAX_GROWTH_MIB, `resident memory grew by ${growth.toFixed()} MiB, from ${before.toFixed()}`);
    return result;
  } finally {
    for (const bystander of bystanders) {
      bystander.close();
    }
  }
}

async function beServed(bystanders: readonly Transport[], token: string): Promise<void> {
  for (const bystander of bystanders) {
    const { code, text } = await bystander.call(operationOf("tokens.get_self"), {}, { token });
    assert.equal(code, "ok", `another caller over ${bystander.name}: ${text}`);
  }
}

/** Resident memory of a process in MiB (proc(5), VmRSS). */
async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
