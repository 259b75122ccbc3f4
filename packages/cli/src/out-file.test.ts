import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { walkCommands } from "./command-tree.ts";
import { OutFile } from "./out-file.ts";
import { buildProgram } from "./program.ts";
import { errorAnswer, fakeIo, fakeServer, temporaryFolder, testsInFolder } from "./test-bed.ts";

const BIN = fileURLToPath(new URL("../bin/bunkms.js", import.meta.url));
const TOKEN = ["token", "create", "--name", "ci", "--role", "reader"];
const MADE = { id: "7".repeat(32), display_name: "ci", role: "reader", token: "bkms_made" };

const whereTokensAreMade = testsInFolder(() => fakeServer({ "POST /v1/tokens": [201, MADE] }));
const whereAllFails = testsInFolder(() => fakeServer({ "POST /v1/tokens": errorAnswer(503, "audit_unavailable") }));

/** What a command line has besides `--out`, so that it would be run. */
const ARGUMENTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["token create", TOKEN.slice(2)],
  ["encrypt-file", ["INPUT", "--key", "k"]],
  ["decrypt-file", ["INPUT"]],
  ["rewrap", ["k", "--in", "INPUT"]],
  ["decapsulate", ["k", "--raw-in"]],
  ["derive", ["k", "--peer", "PEM"]],
  ["key export", ["k", "--to", "PEM"]],
  ["audit receipt", ["7"]],
]);
/** It asks whether there is one before it writes; that has no effect. */
const ASKING_FIRST = "audit attachment";
const PEM = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;

const commands = walkCommands(buildProgram(fakeIo().io, () => {})).filter(({ words, options }) => {
  return options.some(({ long }) => long === "--out") && words.join(" ") !== ASKING_FIRST;
});

test("nearly every command with --out is among those below", () => {
  assert.ok(commands.length > 20);
});

for (const { words, args } of commands) {
  whereTokensAreMade(`bunkms ${words.join(" ")} asks for nothing that it could not write`, async (given) => {
    const { run, path, server } = given;
    writeFileSync(path("in"), "x\n");
    writeFileSync(path("pem"), PEM);
    const line = ARGUMENTS.get(words.join(" ")) ?? args.filter(({ required }) => required).map(() => "k");
    const argv = line.map((word) => word.replace("INPUT", path("in")).replace("PEM", path("pem")));
    const { code, stderr } = await run([...words, ...argv, "--out", path("missing/out")], { stdin: "x" });
    assert.deepEqual([code, stderr], [2, `bunkms: cannot write ${path("missing/out")}: ENOENT\n`]);
    assert.deepEqual(server.seen, []);
  });
}

whereTokensAreMade(
  "a token is written to a file of its owner's alone, or over what was there",
  async ({ run, path }) => {
    for (const before of [undefined, "the token of before, which was longer\n"]) {
      if (before !== undefined) {
        writeFileSync(path("token"), before);
        chmodSync(path("token"), 0o644);
      }
      const { code, stdout } = await run([...TOKEN, "--out", path("token")]);
      assert.deepEqual([code, stdout, readFileSync(path("token"), "utf8")], [0, "", "bkms_made\n"]);
      assert.equal(statSync(path("token")).mode & 0o777, 0o600);
    }
  },
);

whereAllFails("of a request that fails no file is left, and what was there stays", async ({ run, path }) => {
  assert.equal((await run([...TOKEN, "--out", path("new")])).code, 6);
  assert.equal(existsSync(path("new")), false);
  writeFileSync(path("old"), "the token of before\n");
  chmodSync(path("old"), 0o644);
  assert.equal((await run([...TOKEN, "--out", path("old")])).code, 6);
  assert.equal(readFileSync(path("old"), "utf8"), "the token of before\n");
  assert.equal(statSync(path("old")).mode & 0o777, 0o644);
});

whereAllFails("nor is one where a link leads that had no file yet, and the link stays", async ({ run, path }) => {
  symlinkSync(path("target"), path("link"));
  assert.equal((await run([...TOKEN, "--out", path("link")])).code, 6);
  assert.deepEqual([existsSync(path("target")), readlinkSync(path("link"))], [false, path("target")]);
});

whereTokensAreMade(
  "a link leads to the file that is written, also to one that was not there",
  async ({ run, path }) => {
    symlinkSync(path("target"), path("link"));
    for (const _time of [1, 2]) {
      assert.equal((await run([...TOKEN, "--out", path("link")])).code, 0);
      assert.equal(readFileSync(path("target"), "utf8"), "bkms_made\n");
      assert.equal(statSync(path("target")).mode & 0o777, 0o600);
    }
  },
);

whereTokensAreMade(
  "no token is made for a folder, nor for a link that leads nowhere",
  async ({ run, path, server }) => {
    symlinkSync(path("missing/file"), path("link"));
    assert.equal((await run([...TOKEN, "--out", path(".")])).code, 2);
    assert.equal((await run([...TOKEN, "--out", path("link")])).code, 2);
    assert.deepEqual(server.seen, []);
  },
);

whereTokensAreMade(
  "no token is made for a file named -, which is standard output elsewhere",
  async ({ run, server }) => {
    const { code, stdout, stderr } = await run([...TOKEN, "--out", "-"]);
    assert.deepEqual([code, stdout, existsSync("-"), server.seen], [2, "", false, []]);
    assert.equal(stderr, "bunkms: - is no file\n  Elsewhere it is standard output. A file of that name is ./-.\n");
  },
);

whereTokensAreMade("a log's key and its hand-overs do not go to one file", async ({ run, path, server }) => {
  const { code, stderr } = await run(["audit", "key", "--out", path("it"), "--handovers", path("it")]);
  assert.deepEqual([code, stderr], [2, "bunkms: --out and --handovers name the same file\n"]);
  assert.deepEqual([existsSync(path("it")), server.seen], [false, []]);
});

whereTokensAreMade("with --json a token goes to one place, not to two", async ({ run, path, server }) => {
  const { code, stdout } = await run([...TOKEN, "--json", "--out", path("token")]);
  assert.deepEqual([code, stdout, existsSync(path("token")), server.seen], [2, "", false, []]);
});

whereTokensAreMade("a token that a full disk did not take is named, to be revoked", async ({ run }) => {
  const { code, stdout, stderr } = await run([...TOKEN, "--out", "/dev/full"]);
  assert.deepEqual([code, stdout], [7, ""]);
  const id = MADE.id;
  assert.equal(
    stderr,
    `bunkms: cannot write /dev/full: ENOSPC; token ${id} was made, and nobody holds it\n  Revoke it: bunkms token revoke ${id}\n`,
  );
});

test("a file that is made is its owner's alone from the beginning, whatever others are allowed", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/out`;
  const mask = process.umask(0);
  try {
    await using _file = await OutFile.open(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  } finally {
    process.umask(mask);
  }
  assert.equal(existsSync(path), false);
});

test("once the answer is in the file, or the file is away, no signal is waited for", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/out`;
  const listeners = process.listenerCount("SIGTERM");
  for (const isWritten of [false, true]) {
    await using file = await OutFile.open(path);
    assert.equal(process.listenerCount("SIGTERM"), listeners + 1);
    await (isWritten ? file.write(Buffer.from("it")) : file[Symbol.asyncDispose]());
    assert.equal(process.listenerCount("SIGTERM"), listeners);
  }
  assert.equal(readFileSync(path, "utf8"), "it");
});

test("a signal while the request is under way takes the file that was made for its answer along", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/token`;
  const asked = Promise.withResolvers<void>();
  await using server = await fakeServer({
    "POST /v1/tokens": () => {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  const program = spawn(process.execPath, [BIN, ...TOKEN, "--out", path, "--url", server.url], {
    env: { ...process.env, BUNKMS_TOKEN: "bkms_t" },
    stdio: "ignore",
  });
  const ended = once(program, "exit");
  try {
    await Promise.race([asked.promise, ended]);
    assert.equal(statSync(path).size, 0);
    program.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    assert.equal(existsSync(path), false);
  } finally {
    program.kill("SIGKILL");
  }
});
