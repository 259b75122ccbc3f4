import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type Answers, errorAnswer, fakeServer, runLine, testsInFolder } from "../test-bed.ts";

const STATUS = "GET /v1/sys/seal-status";
const INIT = "POST /v1/sys/init";
const UNSEAL = "POST /v1/sys/unseal";
const ROOT = "POST /v1/sys/root-token";
const ID = "0a".repeat(16);
/** Of the form of a share, and no more than that. */
const SHARE = `bkms1${"-qpzry".repeat(15)}`;
const EXPIRES = "2026-01-02T03:04:05Z";
const NO_LOGIN = { BUNKMS_TOKEN: "", XDG_CONFIG_HOME: "/nonexistent" };

const status = (state: string, progress = 0, more: object = {}) =>
  [
    200,
    {
      type: "shamir",
      initialized: state !== "uninitialised",
      sealed: !["unsealed", "degraded"].includes(state),
      t: 3,
      n: 5,
      progress,
      version: "1.0.0",
      storage_type: "sqlite",
      state,
      ...more,
    },
  ] as const;

const initialised = (shares: readonly string[]) =>
  [
    200,
    { keys: shares, keys_base64: shares, shares, root_token: "bkms_root", root_token_expires_at: EXPIRES },
  ] as const;

const inFolder = testsInFolder(() =>
  fakeServer({
    [STATUS]: status("sealed"),
    [INIT]: initialised(["bkms1-a", "bkms1-b"]),
    [UNSEAL]: status("sealed", 1),
    [ROOT]: [200, { attempt: ID, progress: 3, required: 3, root_token: "bkms_root", expires_at: EXPIRES }],
  }),
);

const refused = testsInFolder(() =>
  fakeServer({
    [STATUS]: status("sealed"),
    [INIT]: errorAnswer(400, "already_initialised"),
    [UNSEAL]: errorAnswer(400, "invalid_share"),
  }),
);

describe("bunkms operator status", () => {
  for (const [state, code] of [
    ["unsealed", 0],
    ["degraded", 0],
    ["sealed", 1],
    ["waiting", 1],
    ["uninitialised", 1],
  ] as const) {
    test(`exits with ${code} when the vault is ${state}, and needs no login`, async () => {
      await using server = await fakeServer({ [STATUS]: status(state) });
      const outcome = await runLine(["operator", "status"], server.url, { env: NO_LOGIN });
      assert.deepEqual([outcome.code, outcome.stderr], [code, ""]);
      assert.match(outcome.stdout, new RegExp(`^state +${state}\n`));
      assert.equal(server.seen[0]?.authorization, undefined);
    });
  }

  test("shows how far the unsealing is, and the seals that fail", async () => {
    const failing = { failing_seals: ["pkcs11", "transit"] };
    await using server = await fakeServer({ [STATUS]: status("sealed", 2, failing) });
    assert.equal(
      (await runLine(["operator", "status"], server.url)).stdout,
      "state          sealed\nseal           shamir\nprogress       2 of 3\nshares         3 of 5\n" +
        "failing seals  pkcs11, transit\nversion        1.0.0\nstorage        sqlite\n",
    );
    const json = await runLine(["operator", "status", "--json"], server.url);
    assert.equal(json.code, 1);
    assert.deepEqual(JSON.parse(json.stdout).failing_seals, ["pkcs11", "transit"]);
  });

  test("sends no token, whatever login there is", async () => {
    await using server = await fakeServer({ [STATUS]: status("unsealed") });
    const env = { BUNKMS_TOKEN: "", BUNKMS_TOKEN_FILE: "/nonexistent" };
    assert.equal((await runLine(["operator", "status"], server.url, { env })).code, 0);
    assert.equal(server.seen[0]?.authorization, undefined);
  });
});

describe("bunkms operator init", () => {
  inFolder("prints the shares and the token, once, with a warning", async ({ run, server }) => {
    const outcome = await run(["operator", "init", "--shares", "2", "--threshold", "2"], { env: NO_LOGIN });
    assert.equal(
      outcome.stdout,
      "share 1     bkms1-a\nshare 2     bkms1-b\nroot token  bkms_root\nexpires     2026-01-02T03:04:05Z\n",
    );
    assert.match(outcome.stderr, /^The shares are shown this once.*\nThe root token is not shown again\.\n$/);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { secret_shares: 2, secret_threshold: 2 });
    assert.equal(server.seen[0]?.authorization, undefined);
  });

  inFolder("writes each share into a file of its own, and prints none", async ({ run, path }) => {
    const line = ["operator", "init", "--shares", "2", "--threshold", "2", "--out-folder", path("out")];
    const outcome = await run(line);
    assert.equal(outcome.code, 0);
    assert.doesNotMatch(outcome.stdout + outcome.stderr, /bkms1/);
    assert.equal(readFileSync(path("out/share-2.txt"), "utf8"), "bkms1-b\n");
    assert.equal(statSync(path("out/share-1.txt")).mode & 0o777, 0o600);
    assert.equal(statSync(path("out")).mode & 0o777, 0o700);
  });

  inFolder("prints JSON with the files in place of what is in them", async ({ run, path }) => {
    const line = ["operator", "init", "--shares", "2", "--threshold", "2", "--json"];
    assert.deepEqual(JSON.parse((await run(line)).stdout).shares, ["bkms1-a", "bkms1-b"]);
    assert.deepEqual(JSON.parse((await run([...line, "--out-folder", path("out")])).stdout), {
      root_token: "bkms_root",
      root_token_expires_at: EXPIRES,
      files: [path("out/share-1.txt"), path("out/share-2.txt")],
    });
  });

  inFolder("makes no vault when a share's file is there already, and leaves that", async ({ run, path, server }) => {
    mkdirSync(path("out"));
    writeFileSync(path("out/share-2.txt"), "mine");
    const outcome = await run(["operator", "init", "--shares", "2", "--threshold", "2", "--out-folder", path("out")]);
    assert.equal(outcome.code, 5);
    assert.match(outcome.stderr, /share-2\.txt is there already\n/);
    assert.deepEqual([readdirSync(path("out")), server.seen.length], [["share-2.txt"], 0]);
    assert.equal(readFileSync(path("out/share-2.txt"), "utf8"), "mine");
  });

  inFolder("makes no vault when there is no place for the shares", async ({ run, path, server }) => {
    writeFileSync(path("file"), "");
    for (const [code, ...line] of [
      [5, "--shares", "2", "--out-folder", path("file")],
      [2, "--shares", "2", "--out-folder", path("file/below")],
      [2, "--out-folder", path("out")],
    ] as const) {
      assert.equal((await run(["operator", "init", ...line])).code, code);
    }
    assert.equal(server.seen.length, 0);
  });

  refused("leaves no empty files when the server refuses", async ({ run, path }) => {
    assert.equal((await run(["operator", "init", "--shares", "2", "--out-folder", path("out")])).code, 5);
    assert.deepEqual(readdirSync(path("out")), []);
  });

  inFolder("encrypts to recipients of options or of a file, as many as there are", async ({ run, path, server }) => {
    writeFileSync(path("holders"), "# Ada\nage1ada\n\n  age1bob\r\n");
    for (const line of [
      ["--recipient", "age1ada", "--recipient", "age1bob"],
      ["--recipients-file", path("holders")],
    ]) {
      assert.equal((await run(["operator", "init", "--threshold", "2", ...line])).code, 0);
      assert.deepEqual(JSON.parse(server.seen.at(-1)?.body ?? ""), {
        secret_shares: 2,
        secret_threshold: 2,
        share_recipients: ["age1ada", "age1bob"],
      });
    }
    writeFileSync(path("holders"), "# nobody\n");
    assert.equal((await run(["operator", "init", "--recipients-file", path("holders")])).code, 2);
  });

  inFolder("remembers the token as login does, and then does not print it", async ({ run, path, server }) => {
    const env = { XDG_CONFIG_HOME: path("config") };
    const outcome = await run(["operator", "init", "--shares", "2", "--threshold", "2", "--login"], { env });
    assert.doesNotMatch(outcome.stdout + outcome.stderr, /bkms_root/);
    const kept = JSON.parse(readFileSync(path("config/bunkms/cli.json"), "utf8"));
    assert.deepEqual(kept, { url: server.url, token: "bkms_root" });
  });

  inFolder("prints the token when it cannot be remembered: it is not to be had again", async ({ run, path }) => {
    writeFileSync(path("config"), "");
    const env = { XDG_CONFIG_HOME: path("config") };
    const outcome = await run(["operator", "init", "--shares", "2", "--threshold", "2", "--login"], { env });
    assert.equal(outcome.code, 7);
    assert.match(outcome.stdout, /root token +bkms_root/);
  });

  test("sends nothing where somebody on the way could read the answer", async () => {
    const outcome = await runLine(["operator", "init", "--shares", "2"], "http://192.0.2.1:8080");
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /could read the shares and the root token\n {2}Use an https/);
  });
});

describe("bunkms operator unseal", () => {
  inFolder("takes a share from standard input, files and a hidden prompt", async ({ run, path, server }) => {
    writeFileSync(path("a"), ` ${SHARE}\n`);
    const prompted = await run(["operator", "unseal"], { terminal: true, stdin: `${SHARE}\r`, env: NO_LOGIN });
    assert.equal(prompted.stderr, "Share (hidden): \n");
    assert.match(prompted.stdout, /progress +1 of 3\n/);
    assert.equal((await run(["operator", "unseal"], { stdin: `${SHARE}\n` })).code, 0);
    assert.equal((await run(["operator", "unseal", path("a"), path("a")])).code, 0);
    assert.equal((await run(["operator", "unseal", "-", "--reset"], { stdin: SHARE })).code, 0);
    const bodies = server.seen.filter(({ method }) => method === "POST").map(({ body }) => JSON.parse(body));
    assert.deepEqual(bodies, [...Array(4).fill({ key: SHARE }), { key: SHARE, reset: true }]);
    assert.ok(server.seen.every(({ authorization }) => authorization === undefined));
  });

  inFolder("never takes a share as an argument, and does not repeat it", async ({ run, server }) => {
    for (const share of [
      SHARE,
      SHARE.replaceAll("-", " "),
      SHARE.toUpperCase(),
      "0a".repeat(47),
      `${"A".repeat(63)}=`,
    ]) {
      for (const line of [
        ["operator", "unseal", share],
        ["operator", "generate-root", share],
        ["operator", "unseal", `--share=${share}`],
      ]) {
        const outcome = await run(line);
        assert.equal(outcome.code, 2);
        assert.ok(!outcome.stderr.includes(share), outcome.stderr);
      }
    }
    assert.equal(server.seen.length, 0);
  });

  inFolder("offers nothing that is no share", async ({ run, path, server }) => {
    writeFileSync(path("empty"), " \n");
    writeFileSync(path("age"), "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n");
    writeFileSync(path("long"), "a".repeat(17 * 1024));
    for (const [file, text] of [
      ["empty", /no share was given/],
      ["age", /still encrypted to its recipient\n {2}Decrypt it first: age -d/],
      ["long", /the share is larger than 16 KiB/],
      ["missing", /there is no such file/],
    ] as const) {
      const outcome = await run(["operator", "unseal", path(file)]);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, text);
    }
    assert.equal((await run(["operator", "unseal", "--reset", path("age"), path("age")])).code, 2);
    assert.ok(server.seen.every(({ method }) => method === "GET"));
  });

  refused("stops at a wrong share and names its file", async ({ run, path, server }) => {
    writeFileSync(path("a"), SHARE);
    const outcome = await run(["operator", "unseal", path("a"), path("a")]);
    assert.equal(outcome.code, 2);
    assert.ok(outcome.stderr.startsWith(`bunkms: ${path("a")}: text of invalid_share`));
    assert.equal(server.seen.length, 2);
  });

  for (const [state, code, text] of [
    ["unsealed", 0, /^The vault is open; no share is needed\.\n$/],
    ["uninitialised", 6, /there is no vault yet to unseal\n/],
  ] as const) {
    test(`asks for no share when the vault is ${state}`, async () => {
      await using server = await fakeServer({ [STATUS]: status(state) });
      const outcome = await runLine(["operator", "unseal"], server.url, { terminal: true, stdin: `${SHARE}\r` });
      assert.equal(outcome.code, code);
      assert.match(outcome.stderr, text);
    });
  }
});

describe("bunkms operator generate-root", () => {
  test("shows attempt and progress until the last share", async () => {
    await using server = await fakeServer({ [ROOT]: [200, { attempt: ID, progress: 1, required: 3 }] });
    const outcome = await runLine(["operator", "generate-root"], server.url, { stdin: SHARE, env: NO_LOGIN });
    assert.equal(outcome.stdout, `attempt   ${ID}\nprogress  1 of 3\n`);
    assert.equal(outcome.stderr, `The next share: bunkms operator generate-root --attempt ${ID}\n`);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { key: SHARE });
  });

  inFolder("prints the token alone, or remembers it", async ({ run, path, server }) => {
    writeFileSync(path("a"), SHARE);
    const line = ["operator", "generate-root", "--attempt", ID, path("a")];
    const printed = await run(line);
    assert.deepEqual([printed.stdout, printed.stderr], ["bkms_root\n", `The root token expires at ${EXPIRES}.\n`]);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { key: SHARE, attempt: ID });
    assert.equal(JSON.parse((await run([...line, "--json"])).stdout).root_token, "bkms_root");

    const env = { XDG_CONFIG_HOME: path("config") };
    const kept = await run([...line, "--login", "--json"], { env });
    assert.equal(JSON.parse(kept.stdout).root_token, undefined);
    assert.ok(existsSync(path("config/bunkms/cli.json")));
  });
});

describe("bunkms operator barrier-status", () => {
  const rotation = (percent: number) =>
    [200, { version: 2, in_progress: percent < 100, records_resealed: percent * 10, percent }] as const;
  const steps = (): Answers => {
    let percent = 0;
    return {
      "GET /v1/sys/rotate-barrier": () => {
        percent += 50;
        return rotation(percent);
      },
    };
  };

  test("shows how far it is, and with --wait waits for the end", async () => {
    await using server = await fakeServer(steps());
    const now = await runLine(["operator", "barrier-status"], server.url);
    assert.match(now.stdout, /^barrier key +version 2\nrecords +being sealed anew, 50 %\nsealed anew +500\n$/);
    await using waited = await fakeServer(steps());
    const outcome = await runLine(["operator", "barrier-status", "--wait"], waited.url);
    assert.match(outcome.stdout, /^barrier key +version 2\nrecords +all sealed by it\nsealed anew +1000\n$/);
    assert.equal(waited.seen.length, 2);
  });

  test("ends when the server is sealed meanwhile", async () => {
    let asked = 0;
    await using server = await fakeServer({
      "GET /v1/sys/rotate-barrier": () => (asked++ === 0 ? rotation(10) : errorAnswer(503, "sealed")),
    });
    assert.equal((await runLine(["operator", "barrier-status", "--wait"], server.url)).code, 6);
  });
});
