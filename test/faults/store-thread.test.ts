import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../harness/server.ts";
import { operationOf, restTransport } from "../requirements/operation-call.ts";

/** Ends the store's thread at SIGUSR2, as running out of memory would. */
const BREAKABLE = `data:text/javascript,${encodeURIComponent(`
  import threads from "node:worker_threads";
  import { syncBuiltinESMExports } from "node:module";
  threads.Worker = class extends threads.Worker {
    constructor(...given) {
      super(...given);
      process.on("SIGUSR2", () => this.terminate());
    }
  };
  syncBuiltinESMExports();
`)}`;

test("REQ-01 a server whose store's thread ends ends as well, and nothing that was answered is lost", {
  timeout: 60_000,
}, async (t) => {
  const first = await startServer({ nodeArgs: ["--import", BREAKABLE] });
  t.after(() => first.remove());
  const rest = restTransport(first.url);
  const create = (name: string) => rest.call(operationOf("keys.create"), { name }, { token: first.rootToken });
  const answered = [await create("before")];
  assert.equal(answered[0]?.code, "ok");
  const names = Array.from({ length: 20 }, (_, i) => `meanwhile-${i}`);
  const meanwhile = names.map(create);
  process.kill(first.pid, "SIGUSR2");
  answered.push(...(await Promise.all(meanwhile)));
  rest.close();
  while (!first.output().includes("bunkms: the store's thread ended")) {
    await sleep(20);
  }
  assert.equal(await first.stop(), 1);
  const second = await startServer({ dataPath: first.dataPath, configHome: first.configHome });
  t.after(() => second.remove());
  const again = restTransport(second.url);
  t.after(() => again.close());
  for (const [i, name] of ["before", ...names].entries()) {
    const there = await again.call(operationOf("keys.get"), { name }, { token: first.rootToken });
    const code = answered[i]?.code;
    assert.ok(code !== "ok" || there.code === "ok", `${name} was answered ${code}, and is ${there.code}`);
  }
});
