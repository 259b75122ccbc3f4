import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  errorAnswer,
  type FakeServer,
  fakeServer,
  runLine,
  type SeenRequest,
  temporaryFolder,
  testsInFolder,
} from "../test-bed.ts";

const BIN = join(import.meta.dirname, "..", "..", "bin", "bunkms.js");
/** A group takes so many ciphertexts. */
const GROUP = 500;
/** A request takes so many. */
const REQUEST_BYTES = 1024 * 1024;

interface Item {
  readonly ciphertext: string;
}

const itemsOf = ({ body }: SeenRequest): readonly Item[] => (JSON.parse(body) as { items: Item[] }).items;

/** Stands for a server whose ciphertexts are `old…`, and `new…` once they are rewrapped; all others fail. */
function rewrapServer(before: (nth: number) => Promise<unknown> | undefined = () => undefined) {
  let nth = 0;
  return fakeServer({
    "POST /v1/keys/k/rewrap": [200, { ciphertext: "new1", version: 2, previous_version: 1 }],
    "POST /v1/keys/k/rewrap/batch": async (request) => {
      nth += 1;
      await before(nth);
      const results = itemsOf(request).map(({ ciphertext }) =>
        ciphertext.startsWith("old")
          ? { ciphertext: ciphertext.replace("old", "new"), version: 2, previous_version: 1 }
          : { error: { code: "decryption_failed", error: "it cannot be decrypted" } },
      );
      return [200, { results, count: results.length }];
    },
    "POST /v1/keys/broken/rewrap/batch": [200, { results: [] }],
    "POST /v1/keys/evil/rewrap/batch": [200, { results: [{ ciphertext: 'a\n"b' }] }],
  });
}

const inFolder = testsInFolder(() => rewrapServer());

function lines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}\n`).join("");
}

describe("rewrap of one ciphertext", () => {
  inFolder("takes it from standard input or a file, with what it is bound to", async ({ run, path, server }) => {
    assert.equal((await run(["rewrap", "k", "--context", "a=b"], { stdin: "old1\n" })).stdout, "new1\n");
    writeFileSync(path("c"), "old1\n");
    await run(["rewrap", "k", "--in", path("c"), "--out", path("c")]);
    assert.equal(readFileSync(path("c"), "utf8"), "new1\n");
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [{ ciphertext: "old1", context: { a: "b" } }, { ciphertext: "old1" }],
    );
  });
});

describe("rewrap of a file", () => {
  inFolder(
    "keeps the order of many lines, readable by its owner only, and says how many",
    async ({ run, path, server }) => {
      const count = 3 * GROUP + 7;
      writeFileSync(path("a"), lines("old", count));
      const outcome = await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--aad", "x"]);
      assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, "", `${count} rewrapped.\n`]);
      assert.equal(readFileSync(path("b"), "utf8"), lines("new", count));
      assert.equal(statSync(path("b")).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "b"]);
      assert.equal(server.seen.length, 4);
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? "").items[0], { ciphertext: "old0", aad: "x" });
    },
  );

  inFolder("keeps a request with long ciphertexts below what the server takes", async ({ run, path, server }) => {
    const long = [...Array(20).fill("a".repeat(100_000)), ...Array(3).fill("b".repeat(700_000))];
    writeFileSync(path("a"), long.map((text) => `old${text}\n`).join(""));
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--context", "a=b"])).code, 0);
    assert.ok(server.seen.every(({ body }) => body.length <= REQUEST_BYTES));
    assert.ok(server.seen.length < long.length);
  });

  inFolder("finds ciphertexts in JSON", async ({ run, path }) => {
    writeFileSync(path("a"), '{ "s": "old1", "t": "old2" }\n{"s":null}\n');
    const outcome = await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--json-path", ".s", "--json"]);
    assert.equal(readFileSync(path("b"), "utf8"), '{ "s": "new1", "t": "old2" }\n{"s":null}\n');
    assert.deepEqual(JSON.parse(outcome.stdout), { file: path("b"), rewrapped: 1, failed: 0 });
  });

  inFolder("can take the file's own name, behind a link, too", async ({ run, path }) => {
    mkdirSync(path("elsewhere"));
    writeFileSync(path("elsewhere/real"), lines("old", 3));
    symlinkSync(path("elsewhere/real"), path("a"));
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("a")])).code, 5);
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("a"), "--force"])).code, 0);
    assert.equal(readFileSync(path("elsewhere/real"), "utf8"), lines("new", 3));
    assert.deepEqual(readdirSync(path("elsewhere")), ["real"]);
  });

  inFolder("may be empty when it is lines, and has to have a ciphertext when it is JSON", async ({ run, path }) => {
    writeFileSync(path("a"), "");
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b")])).code, 0);
    assert.equal(readFileSync(path("b"), "utf8"), "");
    writeFileSync(path("c"), '{"secret":"old1"}');
    const outcome = await run(["rewrap", "k", "--file", path("c"), "-o", path("d"), "--json-path", ".sceret"]);
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /there is no ciphertext at the path/);
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "b", "c"]);
  });

  inFolder("is refused when it is no file, and nothing is sent", async ({ run, path, server }) => {
    for (const [input, output] of [
      [path("missing"), path("b")],
      [path("."), path("b")],
      ["/dev/null", path("b")],
      ["-", path("b")],
      [path("a"), "-"],
      [path("a"), path("no/such/folder")],
    ] as const) {
      writeFileSync(path("a"), "old1\n");
      assert.equal((await run(["rewrap", "k", "--file", input, "-o", output])).code, 2);
    }
    assert.equal(server.seen.length, 0);
    assert.deepEqual(readdirSync(path(".")), ["a"]);
  });

  inFolder("is not broken by an answer that does not fit", async ({ run, path }) => {
    for (const key of ["broken", "evil"]) {
      writeFileSync(path("a"), "old1\n");
      const outcome = await run(["rewrap", key, "--file", path("a"), "-o", path("b")]);
      assert.equal(outcome.code, 7);
      assert.match(outcome.stderr, /does not fit the request/);
      assert.deepEqual(readdirSync(path(".")), ["a"]);
    }
  });
});

describe("a ciphertext that cannot be rewrapped", () => {
  inFolder("ends the run with its line, and what was done is kept", async ({ run, path }) => {
    const whole = `${lines("old", 3000)}bad\n${lines("old", 10)}`;
    writeFileSync(path("a"), whole);
    const outcome = await run(["rewrap", "k", "--file", path("a"), "-o", path("b")]);
    assert.equal(outcome.code, 7);
    assert.match(
      outcome.stderr,
      /^bunkms: line 3001: it cannot be decrypted \(decryption_failed\)\n.*--keep-going\. .*after line 3000\.\n$/,
    );
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "b.rewrap-part", "b.rewrap-state"]);
    const second = await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--keep-going"]);
    assert.equal(second.code, 7);
    assert.match(
      second.stderr,
      /^Going on after line 3000: 3000 ciphertexts are done\.\nline 3001: .*\n3010 rewrapped, 1 copied as they were\.\n$/,
    );
    assert.equal(readFileSync(path("b"), "utf8"), `${lines("new", 3000)}bad\n${lines("new", 10)}`);
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["a", "b"]);
  });

  inFolder("leaves nothing behind when it is the first", async ({ run, path }) => {
    writeFileSync(path("a"), "bad\n");
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b")])).code, 7);
    assert.deepEqual(readdirSync(path(".")), ["a"]);
  });
});

describe("an interrupted run", () => {
  /** A run that ends by an error of the server at its fourth request. */
  async function interrupted(path: (file: string) => string): Promise<FakeServer> {
    const server = await fakeServer({
      "POST /v1/keys/k/rewrap/batch": (request) =>
        itemsOf(request)[0]?.ciphertext === `old${3 * GROUP}`
          ? errorAnswer(503, "storage_unavailable")
          : [
              200,
              { results: itemsOf(request).map(({ ciphertext }) => ({ ciphertext: ciphertext.replace("old", "new") })) },
            ],
    });
    writeFileSync(path("a"), lines("old", 5 * GROUP));
    const outcome = await runLine(["rewrap", "k", "--file", path("a"), "-o", path("b")], server.url);
    assert.equal(outcome.code, 6);
    assert.match(
      outcome.stderr,
      /\(storage_unavailable, request req-1\)\n.*the same command goes on after line 1500\.\n$/,
    );
    return server;
  }

  inFolder("goes on with what is left", async ({ run, path, server }) => {
    await using _ = await interrupted(path);
    const outcome = await run(["rewrap", "k", "--file", path("a"), "-o", path("b")]);
    assert.equal(outcome.code, 0);
    assert.equal(readFileSync(path("b"), "utf8"), lines("new", 5 * GROUP));
    assert.equal(server.seen.flatMap(itemsOf).length, 2 * GROUP);
  });

  inFolder("goes on with --force when a file has got the name meanwhile", async ({ run, path }) => {
    await using _ = await interrupted(path);
    writeFileSync(path("b"), "other");
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b")])).code, 5);
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--force"])).code, 0);
    assert.equal(readFileSync(path("b"), "utf8"), lines("new", 5 * GROUP));
  });

  for (const [what, argv, change] of [
    ["another key", ["other", "--file", "a"], () => {}],
    ["other additional data", ["k", "--aad", "x", "--file", "a"], () => {}],
    ["another format", ["k", "--json-path", ".", "--file", "a"], () => {}],
    ["another file", ["k", "--file", "c"], (path: (file: string) => string) => renameSync(path("a"), path("c"))],
    ["a changed file", ["k", "--file", "a"], (path: (file: string) => string) => writeFileSync(path("a"), "old1\n")],
  ] as const) {
    inFolder(`does not go on with ${what}, but begins anew with --restart`, async ({ run, path }) => {
      await using _ = await interrupted(path);
      change(path);
      const [key, ...rest] = argv.map((word) => (word === "a" || word === "c" ? path(word) : word));
      const outcome = await run(["rewrap", key ?? "", ...rest, "-o", path("b")]);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, /was interrupted\n {2}.*--restart/);
      if (key === "k" && rest.length === 2) {
        assert.equal((await run(["rewrap", key, ...rest, "-o", path("b"), "--restart"])).code, 0);
        assert.equal(readFileSync(path("b"), "utf8"), readFileSync(rest[1] ?? "", "utf8").replaceAll("old", "new"));
      }
    });
  }

  inFolder("is left alone while its process is at work", async ({ run, path }) => {
    await using _ = await interrupted(path);
    const state = JSON.parse(readFileSync(path("b.rewrap-state"), "utf8"));
    writeFileSync(path("b.rewrap-state"), JSON.stringify({ ...state, pid: process.ppid }));
    const outcome = await run(["rewrap", "k", "--file", path("a"), "-o", path("b"), "--restart"]);
    assert.equal(outcome.code, 5);
    assert.match(outcome.stderr, new RegExp(`process ${process.ppid} is at work`));
  });

  inFolder("with a part cut short begins anew", async ({ run, path }) => {
    await using _ = await interrupted(path);
    writeFileSync(path("b.rewrap-part"), "new0\n");
    assert.equal((await run(["rewrap", "k", "--file", path("a"), "-o", path("b")])).code, 0);
    assert.equal(readFileSync(path("b"), "utf8"), lines("new", 5 * GROUP));
  });
});

/** Starts the real program. */
function start(server: FakeServer, folder: string, ...argv: readonly string[]) {
  const report = 'process.on("exit", () => process.stderr.write(String(process.resourceUsage().maxRSS)))';
  return spawn(process.execPath, ["--import", `data:text/javascript,${report}`, BIN, "rewrap", "k", ...argv], {
    env: { BUNKMS_URL: server.url, BUNKMS_TOKEN: "bkms_t", XDG_CACHE_HOME: folder, XDG_CONFIG_HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
}

test("kill -9 at any moment loses and doubles nothing", async () => {
  using folder = temporaryFolder();
  // Slow enough to be caught at work, with answers out of order.
  await using server = await rewrapServer((nth) => sleep(nth % 3 === 0 ? 40 : 10));
  const [input, output] = [join(folder.path, "in.jsonl"), join(folder.path, "out.jsonl")];
  const count = 100 * GROUP;
  const file = (prefix: string) =>
    Array.from({ length: count }, (_, index) => `{"id":${index},"s":["${prefix}${index}"]}\n`).join("");
  writeFileSync(input, file("old"));
  const argv = ["--file", input, "-o", output, "--json-path", ".s[]"];
  let kills = 0;
  let exit: readonly unknown[] = [];
  // The last one may be killed when all is done.
  while (exit[0] !== 0 && !existsSync(output)) {
    assert.ok(kills < 20, "it comes to an end");
    const program = start(server, folder.path, ...argv);
    const stop = new AbortController();
    // From long before the first state to some after it.
    sleep(400 + kills * 250, undefined, { signal: stop.signal }).then(
      () => program.kill("SIGKILL"),
      () => {},
    );
    exit = await once(program, "exit");
    stop.abort();
    kills += exit[0] === 0 ? 0 : 1;
  }
  assert.ok(kills >= 2, `killed ${kills} times`);
  assert.ok(readFileSync(output, "utf8") === file("new"));
  const sentItems = server.seen.flatMap(itemsOf).length;
  // Each run but the last does half a second and what is under way in vain, and no run begins anew.
  assert.ok(sentItems < count * (kills + 1), `${sentItems} sent`);
});

/** Rewraps ciphertexts with 16 KiB of something else each. @returns the most memory that it had, in MiB. */
async function peakOf(server: FakeServer, folder: string, count: number): Promise<number> {
  const [input, output] = [join(folder, `in-${count}.json`), join(folder, `out-${count}.json`)];
  const item = `{"s":"old1","t":"${"x".repeat(16 * 1024)}"}`;
  const file = `{"items":[${Array.from({ length: count }, () => item).join(",")}]}`;
  writeFileSync(input, file);
  const program = start(server, folder, "--file", input, "-o", output, "--json-path", ".items[].s");
  const [said, peak] = Buffer.concat(await program.stderr.toArray())
    .toString()
    .split("\n");
  assert.equal(said, `${count} rewrapped.`);
  assert.ok(readFileSync(output, "utf8") === file.replaceAll("old1", "new1"));
  return Number(peak) / 1024;
}

test("memory does not grow with the file", async () => {
  using folder = temporaryFolder();
  await using server = await rewrapServer();
  // The first run compiles, which takes more memory than anything later.
  await peakOf(server, folder.path, 1);
  const small = await peakOf(server, folder.path, 3_000);
  const large = await peakOf(server, folder.path, 12_000);
  assert.ok(small > 30 && large < small + 64, `${small} MiB for 47 MiB, ${large} MiB for 188 MiB`);
});
