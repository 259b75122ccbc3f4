import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../harness/server.ts";
import { launchServer } from "./launched-server.ts";
import { runServer } from "./server-run.ts";

let folder: string;
let env: Readonly<Record<string, string>>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-process-"));
  const keyFile = join(folder, "master.key");
  await writeFile(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  env = { BUNKMS_MASTER_KEY_FILE: keyFile };
});

after(() => rm(folder, { recursive: true, force: true }));

/** Local TCP ports on which a process listens. */
async function listeningPorts(pid: number): Promise<readonly number[]> {
  const sockets = new Set<string>();
  for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
    sockets.add(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? "");
  }
  const rows = (await readFile(`/proc/${pid}/net/tcp`, "utf8")).split("\n").slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, ...rest]) => state === "0A" && sockets.has(rest[5] ?? ""))
    .map(([, local]) => Number.parseInt(local?.split(":")[1] ?? "", 16));
}

test("REQ-07 REQ-06 the server leaves no core file, in development mode neither", async () => {
  for (const options of [{ dev: true }, { dev: false, env }]) {
    const server = await startServer({ ...options, dataPath: join(folder, `core-${options.dev}`) });
    try {
      const limits = await readFile(`/proc/${server.pid}/limits`, "utf8");
      assert.match(limits, /^Max core file size +0 +0 +bytes/m);
      process.kill(server.pid, "SIGABRT");
      await server.kill();
      const files = await readdir(dirname(server.configHome), { recursive: true });
      assert.deepEqual(
        files.filter((name) => /core|report|heapsnapshot/i.test(name)),
        [],
      );
    } finally {
      await server.remove();
    }
  }
});

test("REQ-07 a signal opens no debugger, also without the flag that the start scripts give", async () => {
  const ports = ["--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"];
  for (const args of [["--dev", ...ports], ports]) {
    const server = launchServer({
      folder: await mkdtemp(join(folder, "signal-")),
      args,
      env: args === ports ? env : {},
    });
    try {
      await server.until(/^gRPC /m);
      server.signal("SIGUSR1");
      await sleep(300);
      assert.equal((await listeningPorts(server.pid)).length, 2, "it listens on something else than REST and gRPC");
      server.signal("SIGTERM");
      assert.equal(await server.end(), 0);
      assert.doesNotMatch(server.output(), /Debugger/);
    } finally {
      server.signal("SIGKILL");
    }
  }
});

test("REQ-07 production refuses to run with an inspector, however it is asked for", async () => {
  for (const flag of ["--inspect", "--inspect=127.0.0.1:0", "--inspect-port=0"]) {
    for (const options of [{ nodeArgs: [flag], env }, { env: { ...env, NODE_OPTIONS: flag } }]) {
      const dataPath = join(folder, "inspected");
      const { end, output } = await runServer(dataPath, options);
      assert.equal(end, 1, output);
      assert.match(output, /refusing to run with --inspect/);
      assert.ok(!existsSync(dataPath), "it made data before it refused");
    }
  }
});

test("REQ-06 REQ-07 a master key that comes in the environment is handed to no child and printed nowhere", async () => {
  const key = randomBytes(32).toString("hex");
  const args = ["--log-level", "debug"];
  const server = await startServer({
    dev: false,
    args,
    dataPath: join(folder, "environment"),
    env: { BUNKMS_MASTER_KEY: key },
  });
  try {
    assert.ok(!server.output().includes(key));
    assert.ok(!(await readFile(`/proc/${server.pid}/cmdline`, "utf8")).includes(key));
    // Taken out of the environment of the process itself: what it would give to a child, or to a diagnostic report.
    const wrong = await runServer(join(folder, "environment-wrong"), { args, env: { BUNKMS_MASTER_KEY: `${key}0` } });
    assert.equal(wrong.end, 2);
    assert.ok(!wrong.output.includes(key.slice(0, 16)), wrong.output);
  } finally {
    await server.remove();
  }
});

test("REQ-03 where its log cannot be written, on a full disk for example, the server serves, and stops when it is told to", async () => {
  const place = join(folder, "full");
  await mkdir(place);
  const args = ["--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"];
  const server = launchServer({ folder: place, args, env, full: 2 });
  try {
    const [, url] = await server.until(/^REST {2}(\S+)$[\s\S]*^Data /m);
    for (let call = 0; call < 20; call++) {
      const { status } = await fetch(`${url}/v1/keys`, { signal: AbortSignal.timeout(10_000) });
      assert.equal(status, 401);
    }
    server.signal("SIGTERM");
    assert.equal(await server.end(), 0);
  } finally {
    server.signal("SIGKILL");
    await server.end();
  }
});
