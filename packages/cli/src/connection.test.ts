import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isExposed, resolveConnection } from "./connection.ts";
import { errorAnswer, fakeIo, fakeServer, runLine, temporaryFolder } from "./test-bed.ts";

const SELF = { id: "0".repeat(32), display_name: "me", role: "admin" };

/** A configuration folder with the given files, 0600. */
function configuration(files: Readonly<Record<string, unknown>>) {
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, "bunkms"), { mode: 0o700 });
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder.path, "bunkms", name), text, { mode: 0o600 });
  }
  return folder;
}

async function resolved(home: string, options = {}, env = {}) {
  const { url, token } = await resolveConnection(fakeIo({ env: { XDG_CONFIG_HOME: home, ...env } }).io, options);
  return [url, await token()];
}

describe("server and token", () => {
  test("come from options before environment before login before development pointer", async () => {
    using folder = configuration({ "cli.json": { url: "http://login", token: "t-login" }, flag: "t-flag\n" });
    const home = folder.path;
    const pointer = join(home, "bunkms", "dev.json");
    writeFileSync(join(home, "bunkms", "env"), " t-envfile \n", { mode: 0o600 });
    writeFileSync(join(home, "bunkms", "root"), "t-dev\n", { mode: 0o600 });
    const dev = { url: "http://dev", grpc_addr: "127.0.0.1:1", token_file: join(home, "bunkms", "root") };
    writeFileSync(pointer, JSON.stringify(dev), { mode: 0o600 });

    const file = { BUNKMS_URL: "http://env", BUNKMS_TOKEN_FILE: join(home, "bunkms", "env") };
    const env = { ...file, BUNKMS_TOKEN: "t-env" };
    const options = { url: "http://flag", tokenFile: join(home, "bunkms", "flag") };
    assert.deepEqual(await resolved(home, options, env), ["http://flag", "t-flag"]);
    assert.deepEqual(await resolved(home, {}, env), ["http://env", "t-env"]);
    assert.deepEqual(await resolved(home, {}, file), ["http://env", "t-envfile"]);
    assert.deepEqual(await resolved(home, {}, { BUNKMS_URL: "", BUNKMS_TOKEN: "" }), ["http://login", "t-login"]);
    assert.deepEqual(await resolved(home, { url: "http://dev/" }), ["http://dev/", "t-dev"]);
    writeFileSync(
      join(home, "bunkms", "cli.json"),
      JSON.stringify({ url: "http://login", token_file: file.BUNKMS_TOKEN_FILE }),
    );
    assert.deepEqual(await resolved(home), ["http://login", "t-envfile"]);
  });

  test("of the login or the pointer never go to another server", async () => {
    await using other = await fakeServer({ "GET /v1/tokens/self": [200, SELF] });
    using folder = configuration({
      "cli.json": { url: "http://login", token: "t-login" },
      "dev.json": { url: "http://dev", token_file: "/nonexistent" },
    });
    for (const argv of [["whoami", "--url", other.url], ["whoami"]]) {
      const env = { XDG_CONFIG_HOME: folder.path, BUNKMS_TOKEN: "" };
      const outcome = await runLine(argv, other.url, { env });
      assert.equal(outcome.code, 3);
      assert.match(outcome.stderr, /^bunkms: no token for http:\/\/127/);
    }
    assert.equal(other.seen.length, 0);
  });

  test("that nobody named are asked for with all the ways to name them", async () => {
    using folder = configuration({});
    const outcome = await runLine(["whoami"], "", { env: { XDG_CONFIG_HOME: folder.path } });
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /no server is known\n {2}Log in .* BUNKMS_URL.*npm start/);
  });

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
    test(`are not taken from files of mode ${mode.toString(8)}, which others can read or write`, async () => {
      using folder = configuration({ "cli.json": { url: "http://x", token: "t" }, token: "t" });
      for (const [name, argv] of [
        ["cli.json", ["whoami"]],
        ["token", ["whoami", "--url", "http://x", "--token-file", join(folder.path, "bunkms", "token")]],
      ] as const) {
        const path = join(folder.path, "bunkms", name);
        chmodSync(path, mode);
        const env = { XDG_CONFIG_HOME: folder.path, BUNKMS_TOKEN: "" };
        const outcome = await runLine(argv, "", { env });
        assert.equal(outcome.code, 3);
        assert.match(
          outcome.stderr,
          new RegExp(`${name} is open to others \\(mode 0${mode.toString(8)}\\)\n {2}.*chmod 600`),
        );
        chmodSync(path, 0o600);
      }
    });
  }

  for (const content of [
    "",
    "{",
    "[]",
    "null",
    '{"url":5,"token":"t"}',
    '{"url":"http://x"}',
    '{"url":"http://x","token":"a","token_file":"b"}',
  ]) {
    test(`are not taken from a login like ${content || "nothing"}`, async () => {
      using folder = configuration({ "cli.json": content });
      const outcome = await runLine(["whoami"], "", { env: { XDG_CONFIG_HOME: folder.path, BUNKMS_TOKEN: "" } });
      assert.equal(outcome.code, 3);
      assert.match(outcome.stderr, /cli\.json is not a login/);
    });
  }

  test("given as options work whatever the login file is", async () => {
    using folder = configuration({ "cli.json": "{", token: "t" });
    const options = { url: "http://x", tokenFile: join(folder.path, "bunkms", "token") };
    assert.deepEqual(await resolved(folder.path, options), ["http://x", "t"]);
  });

  test("with line breaks inside are refused and not repeated", async () => {
    await using server = await fakeServer({});
    const outcome = await runLine(["whoami"], server.url, { env: { BUNKMS_TOKEN: "bkms_a\nbkms_b" } });
    assert.equal(outcome.code, 2);
    assert.doesNotMatch(outcome.stderr, /bkms_/);
    assert.equal(server.seen.length, 0);
  });
});

describe("authorities to trust", () => {
  for (const [what, content, text] of [
    ["is not there", undefined, /cannot read .*ca\.pem: there is no such file/],
    ["has no certificates", "hello", /ca\.pem has no certificates in PEM/],
  ] as const) {
    test(`are not the system's when the file ${what}: nothing is sent`, async () => {
      await using server = await fakeServer({});
      using folder = temporaryFolder();
      const file = join(folder.path, "ca.pem");
      if (content !== undefined) {
        writeFileSync(file, content);
      }
      for (const [argv, env] of [
        [["status", "--ca", file], {}],
        [["status"], { BUNKMS_CACERT: file }],
      ] as const) {
        const outcome = await runLine(argv, server.url, { env });
        assert.equal(outcome.code, 2);
        assert.match(outcome.stderr, text);
      }
      assert.equal(server.seen.length, 0);
    });
  }
});

describe("bunkms login", () => {
  test("tries the token, then keeps it in a file of mode 0600, which logout removes", async () => {
    await using server = await fakeServer({ "GET /v1/tokens/self": [200, SELF] });
    using home = temporaryFolder();
    const env = { XDG_CONFIG_HOME: join(home.path, "new"), BUNKMS_TOKEN: "", BUNKMS_URL: "" };
    const login = await runLine(["login", "--url", server.url], "", { env, stdin: "bkms_new\n" });
    assert.deepEqual([login.code, login.stdout], [0, `Logged in at ${server.url} as me (admin).\n`]);
    assert.equal(server.seen[0]?.authorization, "Bearer bkms_new");
    const file = join(home.path, "new", "bunkms", "cli.json");
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { url: server.url, token: "bkms_new" });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700);

    assert.equal((await runLine(["whoami"], "", { env })).code, 0);
    assert.equal((await runLine(["logout"], "", { env })).code, 0);
    assert.equal((await runLine(["whoami"], "", { env })).code, 2);
  });

  test("keeps only the name of a token file", async () => {
    await using server = await fakeServer({ "GET /v1/tokens/self": [200, SELF] });
    using folder = configuration({ token: "bkms_f\n" });
    const tokenFile = join(folder.path, "bunkms", "token");
    const env = { XDG_CONFIG_HOME: folder.path };
    assert.equal((await runLine(["login", "--token-file", tokenFile], server.url, { env })).code, 0);
    const kept = JSON.parse(readFileSync(join(folder.path, "bunkms", "cli.json"), "utf8"));
    assert.deepEqual(kept, { url: server.url, token_file: tokenFile });
  });

  test("keeps nothing when the server refuses the token", async () => {
    await using server = await fakeServer({ "GET /v1/tokens/self": errorAnswer(401, "unauthenticated") });
    using folder = configuration({});
    const env = { XDG_CONFIG_HOME: folder.path };
    const outcome = await runLine(["login"], server.url, { env, terminal: true, stdin: "bkms_bad\r" });
    assert.equal(outcome.code, 3);
    assert.throws(() => statSync(join(folder.path, "bunkms", "cli.json")), { code: "ENOENT" });
  });
});

test("whether others can read along is told from the address, over REST and over gRPC", () => {
  const exposed = ["http://kms.example.com", "grpc://kms.example.com:8081", "http://127.0.0.1.example.com"];
  const safe = [
    "https://kms.example.com",
    "grpcs://kms.example.com:8081",
    "http://127.0.0.1:8080",
    "grpc://[::1]:8081",
  ];
  assert.deepEqual(exposed.map(isExposed), [true, true, true]);
  assert.deepEqual(safe.map(isExposed), [false, false, false, false]);
});
