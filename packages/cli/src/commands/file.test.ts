import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { errorAnswer, type FakeServer, fakeServer, runLine, temporaryFolder, testsInFolder } from "../test-bed.ts";

const BIN = join(import.meta.dirname, "..", "..", "bin", "bunkms.js");
const DATA_KEY = randomBytes(32).toString("base64");
const SEGMENT = 65_536;
const MIB = 1024 * 1024;

/** Stands for a server that wraps one data key. */
function keyServer(atDataKey: () => void = () => {}) {
  return fakeServer({
    "POST /v1/keys/k/datakey": () => {
      atDataKey();
      return [200, { plaintext_b64: DATA_KEY, ciphertext: "wrapped", version: 1 }];
    },
    "POST /v1/decrypt/k": [200, { plaintext_b64: DATA_KEY }],
    "POST /v1/decrypt/renamed": [200, { plaintext_b64: DATA_KEY }],
    "POST /v1/decrypt/another": errorAnswer(400, "decryption_failed"),
  });
}

const inFolder = testsInFolder(() => keyServer());

describe("encrypt-file and decrypt-file", () => {
  inFolder("give an encrypted file and the same file back, readable by its owner only", async ({ run, path }) => {
    const plaintext = randomBytes(3 * MIB + 5);
    writeFileSync(path("a"), plaintext);
    assert.deepEqual(await run(["encrypt-file", path("a"), "--key", "k"]), quiet());
    assert.deepEqual(await run(["decrypt-file", path("a.bkms"), "-o", path("b")]), quiet());
    assert.ok(plaintext.equals(readFileSync(path("b"))));
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "a.bkms", "b"]);
    for (const file of ["a.bkms", "b"]) {
      assert.equal(statSync(path(file)).mode & 0o777, 0o600);
    }
  });

  inFolder("take standard input to standard output", async ({ run }) => {
    const encrypted = await run(["encrypt-file", "-", "--key", "k"], { stdin: "attack at dawn" });
    const decrypted = await run(["decrypt-file", "-"], { stdin: encrypted.bytes });
    assert.equal(decrypted.stdout, "attack at dawn");
    assert.equal(decrypted.code, 0);
  });

  inFolder("send what a file is bound to, and never the file", async ({ run, path, server }) => {
    writeFileSync(path("a"), "attack at dawn");
    await run(["encrypt-file", path("a"), "--key", "k", "--context", "tenant=acme"]);
    await run(["decrypt-file", path("a.bkms"), "-o", path("b"), "--context", "tenant=acme"]);
    assert.deepEqual(
      server.seen.map(({ url, body }) => [url, JSON.parse(body)]),
      [
        ["/v1/keys/k/datakey", { bytes: 32, context: { tenant: "acme" } }],
        ["/v1/decrypt/k", { ciphertext: "wrapped", context: { tenant: "acme" } }],
      ],
    );
  });

  inFolder("say with --json what was written", async ({ run, path }) => {
    writeFileSync(path("a"), "");
    const { stdout } = await run(["encrypt-file", path("a"), "--key", "k", "--json"]);
    assert.deepEqual(JSON.parse(stdout), { file: path("a.bkms"), bytes: statSync(path("a.bkms")).size });
    assert.equal((await run(["encrypt-file", path("a"), "--key", "k", "--json", "-o", "-"])).code, 2);
  });

  inFolder("decrypt with the key that --key names", async ({ run, path, server }) => {
    writeFileSync(path("a"), "text");
    await run(["encrypt-file", path("a"), "--key", "k"]);
    assert.equal((await run(["decrypt-file", path("a.bkms"), "--key", "renamed", "-o", "-"])).stdout, "text");
    const outcome = await run(["decrypt-file", path("a.bkms"), "--key", "gone", "-o", "-"]);
    assert.equal(outcome.code, 4);
    assert.match(outcome.stderr, /another name now/);
    assert.equal(server.seen.at(-1)?.url, "/v1/decrypt/gone");
  });

  inFolder("write to what is no file directly", async ({ run, path }) => {
    writeFileSync(path("a"), randomBytes(100));
    assert.equal((await run(["encrypt-file", path("a"), "--key", "k", "-o", "/dev/null"])).code, 0);
    assert.ok(statSync("/dev/null").isCharacterDevice());
    const full = await run(["encrypt-file", path("a"), "--key", "k", "-o", "/dev/full"]);
    assert.equal(full.code, 7);
    assert.match(full.stderr, /cannot write \/dev\/full: ENOSPC/);
  });
});

describe("an output file that is there already", () => {
  inFolder("stays, and no server is asked", async ({ run, path, server }) => {
    writeFileSync(path("a"), "new");
    writeFileSync(path("a.bkms"), "old");
    const outcome = await run(["encrypt-file", path("a"), "--key", "k"]);
    assert.equal(outcome.code, 5);
    assert.match(outcome.stderr, /a\.bkms is there already\n {2}.*--force/);
    assert.equal(readFileSync(path("a.bkms"), "utf8"), "old");
    assert.equal(server.seen.length, 0);
  });

  inFolder("is replaced with --force, behind a link, too", async ({ run, path }) => {
    writeFileSync(path("a"), "new");
    mkdirSync(path("elsewhere"));
    writeFileSync(path("elsewhere/real"), "old");
    symlinkSync(path("elsewhere/real"), path("link"));
    await run(["encrypt-file", path("a"), "--key", "k", "-o", path("link"), "--force"]);
    assert.deepEqual(readdirSync(path("elsewhere")), ["real"]);
    const { stdout } = await run(["decrypt-file", path("elsewhere/real"), "-o", "-"]);
    assert.equal(stdout, "new");
  });

  inFolder("keeps its content with --force when what comes is not whole", async ({ run, path }) => {
    writeFileSync(path("a"), randomBytes(2 * SEGMENT));
    await run(["encrypt-file", path("a"), "--key", "k"]);
    writeFileSync(path("cut.bkms"), readFileSync(path("a.bkms")).subarray(0, -1));
    assert.equal((await run(["decrypt-file", path("cut.bkms"), "-o", path("a"), "--force"])).code, 7);
    assert.equal(statSync(path("a")).size, 2 * SEGMENT);
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "a.bkms", "cut.bkms"]);
  });

  test("stays also when it came while the other was being written", async () => {
    using folder = temporaryFolder();
    const out = join(folder.path, "a.bkms");
    writeFileSync(join(folder.path, "a"), "new");
    await using server = await keyServer(() => writeFileSync(out, "old"));
    const outcome = await runLine(["encrypt-file", join(folder.path, "a"), "--key", "k"], server.url);
    assert.equal(outcome.code, 5);
    assert.equal(readFileSync(out, "utf8"), "old");
    assert.deepEqual(readdirSync(folder.path).toSorted(), ["a", "a.bkms"]);
  });
});

describe("a file that is written while it is encrypted", () => {
  for (const [what, change] of [
    ["grows", (file: string) => appendFileSync(file, "more")],
    ["shrinks", (file: string) => truncateSync(file, MIB)],
    [
      "gets other bytes",
      (file: string) => {
        writeFileSync(file, randomBytes(3 * MIB));
        utimesSync(file, 1, 1);
      },
    ],
  ] as const) {
    test(`is refused, and leaves nothing: it ${what}`, async () => {
      using folder = temporaryFolder();
      const file = join(folder.path, "a");
      writeFileSync(file, randomBytes(3 * MIB));
      await using server = await keyServer(() => change(file));
      const outcome = await runLine(["encrypt-file", file, "--key", "k"], server.url);
      assert.equal(outcome.code, 5);
      assert.match(outcome.stderr, /was written while it was read/);
      assert.deepEqual(readdirSync(folder.path), ["a"]);
    });
  }
});

describe("a file that does not open", () => {
  const flip = (bytes: Buffer, at: number): Buffer => {
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };
  const cases: Readonly<
    Record<string, readonly [change: (file: Buffer) => Buffer, argv: readonly string[], text: RegExp]>
  > = {
    "is no such file": [() => randomBytes(1000), [], /not a file that BunKMS encrypted \(not_an_encrypted_file\)/],
    "is of a newer version": [(file) => flip(file, 8), [], /newer version.*\(unsupported_version\)/],
    "is cut short": [(file) => file.subarray(0, -1), [], /cut short.*\(truncated\)/],
    "was changed": [(file) => flip(file, file.length - 1), [], /changed.*byte 131072.*\(changed\)/],
    "was changed in its header": [(file) => flip(file, 20), [], /changed in its header \(changed\)/],
    "has something behind it": [(file) => Buffer.concat([file, file]), [], /after its end \(changed\)/],
    "is bound to no such data": [
      (file) => file,
      ["--aad", "x"],
      /bound to no additional data.*\(wrong_additional_data\)/,
    ],
    "is of another key": [(file) => file, ["--key", "another"], /\(decryption_failed, request req-1\)/],
  };
  for (const [what, [change, argv, text]] of Object.entries(cases)) {
    inFolder(`because it ${what} says so with exit code 7 and leaves no file`, async ({ run, path }) => {
      writeFileSync(path("a"), randomBytes(2 * SEGMENT + 10));
      await run(["encrypt-file", path("a"), "--key", "k"]);
      writeFileSync(path("b.bkms"), change(readFileSync(path("a.bkms"))));
      const outcome = await run(["decrypt-file", path("b.bkms"), ...argv]);
      assert.equal(outcome.code, 7);
      assert.match(outcome.stderr, text);
      assert.match(outcome.stderr, /\n {2}\S.*\n$/);
      assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "a.bkms", "b.bkms"]);
    });
  }

  inFolder("to its end gives standard output what was authentic, and says to throw it away", async ({ run, path }) => {
    const plaintext = randomBytes(20 * SEGMENT);
    writeFileSync(path("a"), plaintext);
    await run(["encrypt-file", path("a"), "--key", "k"]);
    writeFileSync(path("a.bkms"), readFileSync(path("a.bkms")).subarray(0, -10));
    const outcome = await run(["decrypt-file", path("a.bkms"), "-o", "-"]);
    assert.equal(outcome.code, 7);
    assert.match(outcome.stderr, /throw it away/);
    assert.ok(outcome.bytes.length > 0 && outcome.bytes.length < plaintext.length);
    assert.ok(outcome.bytes.equals(plaintext.subarray(0, outcome.bytes.length)));
  });
});

describe("wrong use", () => {
  inFolder("is exit code 2, and nothing is sent", async ({ run, path, server }) => {
    writeFileSync(path("a"), "");
    for (const argv of [
      ["encrypt-file", path("a")],
      ["encrypt-file", path("missing"), "--key", "k"],
      ["encrypt-file", path("."), "--key", "k", "-o", path("b")],
      ["encrypt-file", path("a"), "--key", "k", "-o", path(".")],
      ["encrypt-file", path("a"), "--key", "k", "-o", path("no/such/folder")],
      ["encrypt-file", path("a"), "--key", "k", "-o", path("a/b")],
      ["decrypt-file", path("a")],
    ]) {
      const outcome = await run(argv);
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.notEqual(outcome.stderr, "");
    }
    for (const argv of [
      ["encrypt-file", path("a"), "--key", "k", "-o", "-"],
      ["encrypt-file", "-", "--key", "k", "-o", path("b")],
      ["decrypt-file", path("a"), "-o", "-"],
    ]) {
      assert.equal((await run(argv, { terminal: true })).code, 2);
    }
    assert.equal(server.seen.length, 0);
    assert.deepEqual(readdirSync(path(".")), ["a"]);
  });
});

/** The real program, with 300 MB or without end. */
function start(server: FakeServer, folder: string, ...argv: readonly string[]) {
  const report = 'process.on("exit", () => process.stderr.write(String(process.resourceUsage().maxRSS)))';
  return spawn(process.execPath, ["--import", `data:text/javascript,${report}`, BIN, ...argv], {
    env: { BUNKMS_URL: server.url, BUNKMS_TOKEN: "bkms_t", XDG_CACHE_HOME: folder, XDG_CONFIG_HOME: folder },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Sends so many MiB through both. @returns the most memory that each had, in MiB. */
async function passThrough(server: FakeServer, cache: string, mebibytes: number): Promise<readonly number[]> {
  const chunk = randomBytes(MIB);
  const [before, after] = [createHash("sha256"), createHash("sha256")];
  const source = Readable.from(
    (function* () {
      for (let i = 0; i < mebibytes; i++) {
        before.update(chunk);
        yield chunk;
      }
    })(),
  );
  const encrypting = start(server, cache, "encrypt-file", "-", "--key", "k");
  const decrypting = start(server, cache, "decrypt-file", "-");
  const peaks = [encrypting, decrypting].map(
    async ({ stderr }) => Number(Buffer.concat(await stderr.toArray()).toString()) / 1024,
  );
  await Promise.all([
    pipeline(source, encrypting.stdin),
    pipeline(encrypting.stdout, decrypting.stdin),
    pipeline(decrypting.stdout, after),
  ]);
  assert.equal(after.digest("hex"), before.digest("hex"));
  return await Promise.all(peaks);
}

test("300 MiB pass through both in less than 150 MiB of memory each", async () => {
  using folder = temporaryFolder();
  await using server = await keyServer();
  // The first run compiles, which takes more memory than anything later.
  await passThrough(server, folder.path, 0);
  for (const peak of await passThrough(server, folder.path, 300)) {
    assert.ok(peak > 30 && peak < 150, `${peak} MiB`);
  }
});

test("a signal that ends the program takes the half-written file with it", async () => {
  using folder = temporaryFolder();
  await using server = await keyServer();
  mkdirSync(join(folder.path, "out"));
  const program = start(server, folder.path, "encrypt-file", "-", "--key", "k", "-o", join(folder.path, "out", "a"));
  // What it has not read when it ends is lost.
  program.stdin.on("error", () => {});
  program.stdin.write(randomBytes(4 * MIB));
  const [deadline, files] = [performance.now() + 20_000, () => readdirSync(join(folder.path, "out"))];
  while (!files().some((file) => statSync(join(folder.path, "out", file)).size > MIB) && performance.now() < deadline) {
    await sleep(20);
  }
  assert.equal(files().length, 1);
  assert.ok(!existsSync(join(folder.path, "out", "a")));
  program.kill("SIGTERM");
  const [, signal] = await once(program, "exit");
  assert.equal(signal, "SIGTERM");
  assert.deepEqual(files(), []);
});

function quiet() {
  return { code: 0, bytes: Buffer.alloc(0), stdout: "", stderr: "" };
}
