import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readVersion } from "./version.ts";

const BIN = fileURLToPath(new URL("../bin/bunkms.js", import.meta.url));
/** Makes the program believe that an old Node runs it. */
const AS_OLD_NODE = [
  "--import",
  'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.0.0"})',
];

test("bunkms started by an old Node goes on with the pinned one", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...AS_OLD_NODE, BIN, "--version"]);
  assert.deepEqual([status, String(stdout), String(stderr)], [0, `${readVersion()}\n`, ""]);
});

test("bunkms started by an old Node hands on input, output and exit code", () => {
  const args = [...AS_OLD_NODE, BIN, "call", "keys.get"];
  const spawned = spawnSync(process.execPath, args, { input: '{"nonsense":1}' });
  assert.equal(spawned.status, 2);
  assert.equal(String(spawned.stderr), 'bunkms: bunkms.v1.GetKeyRequest has no field "nonsense"\n');
});

test("a user without a home, as in a container, can use bunkms, and is told what is missing for a login", () => {
  const homeless =
    'import os from "node:os";import{syncBuiltinESMExports as s}from"node:module";os.homedir=()=>{throw 1};s()';
  const { HOME, XDG_CONFIG_HOME, XDG_CACHE_HOME, BUNKMS_URL, ...env } = process.env;
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(homeless)}`, BIN, ...args],
      { env, encoding: "utf8" },
    );
    return [status, stdout, stderr];
  };
  assert.deepEqual(run("--version"), [0, `${readVersion()}\n`, ""]);
  assert.deepEqual(run("key", "list"), [
    2,
    "",
    "bunkms: this user has no home, where a login could lie\n  Set HOME or XDG_CONFIG_HOME, or give --url and --token-file.\n",
  ]);
});

test("with an empty HOME neither compiled code nor a login is looked for in the folder where bunkms is run", () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-bin-"));
  const { XDG_CONFIG_HOME, XDG_CACHE_HOME, BUNKMS_URL, ...env } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [BIN, "key", "list"], {
    cwd: folder,
    env: { ...env, HOME: "" },
    encoding: "utf8",
  });
  const made = readdirSync(folder);
  rmSync(folder, { recursive: true });
  assert.deepEqual([status, made], [2, []]);
  assert.match(stderr, /^bunkms: this user has no home/);
});

test("where remarks cannot be written the exit code is the same, not that of a signature that is not valid", () => {
  const full = openSync("/dev/full", "w");
  const { status } = spawnSync(process.execPath, [BIN, "no-such-command"], { stdio: ["ignore", "pipe", full] });
  closeSync(full);
  assert.equal(status, 2);
});

test("a program that bunkms runs gets its signals, and its exit code is handed on", async () => {
  const child = 'process.on("SIGTERM",()=>process.exit(42));setInterval(()=>{},1e3);console.log("up")';
  const runner = `import { runNode } from ${JSON.stringify(new URL("../bin/run-node.js", import.meta.url).href)};
    process.exitCode = await runNode(process.execPath, ["-e", ${JSON.stringify(child)}]);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", runner], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(parent.stdout, "data");
  parent.kill("SIGTERM");
  assert.deepEqual(await once(parent, "exit"), [42, null]);
});
