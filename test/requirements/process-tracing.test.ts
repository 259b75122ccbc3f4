import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dlopen } from "node:ffi";
import { before, test } from "node:test";
import { startServer } from "../harness/server.ts";

const MODES = [
  { mode: "development", options: { dev: true } },
  { mode: "production", options: { dev: false, env: { BUNKMS_MASTER_KEY: "5a".repeat(32) } } },
];

before(giveUpTracing);

/**
 * Gives up CAP_SYS_PTRACE for all programs that this one starts, without which root is a user like any other: root could
 * else look into every process (prctl(2) PR_CAPBSET_DROP). Other users have no capability to give up.
 */
function giveUpTracing(): void {
  const [PR_CAPBSET_DROP, CAP_SYS_PTRACE] = [24, 19n];
  const { functions } = dlopen(null, { prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" } });
  functions.prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0n, 0n, 0n);
}

/** Whether a program of this user may see what only a debugger may (ptrace(2), PTRACE_MODE_READ). */
async function canLookInto(pid: number | undefined): Promise<boolean> {
  const child = spawn("readlink", [`/proc/${pid}/exe`], { stdio: "ignore" });
  const [code] = await once(child, "close");
  return code === 0;
}

for (const { mode, options } of MODES) {
  test(`REQ-07 in ${mode} mode no other program of its user may look into the process`, async () => {
    const ordinary = spawn("sleep", ["60"], { stdio: "ignore" });
    const server = await startServer(options);
    try {
      assert.equal(await canLookInto(ordinary.pid), true, "this way of looking does not work at all");
      assert.equal(await canLookInto(server.pid), false);
    } finally {
      ordinary.kill("SIGKILL");
      await once(ordinary, "close");
      await server.remove();
    }
  });
}
