import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { errorAnswer, fakeServer, runLine, temporaryFolder } from "./test-bed.ts";

const KEY = {
  name: "k",
  id: "0".repeat(32),
  type: "aes-256",
  purpose: "encrypt",
  created_at: "2026-01-02T03:04:05.678Z",
  latest_version: 1,
  versions: [{ version: 1, created_at: "2026-01-02T03:04:05.678Z", state: "enabled", public_key_pem: "", uses: "0" }],
  state: "enabled",
  description: "",
  tags: {},
  derived: false,
  deterministic: false,
  exportable: false,
  imported: false,
  min_decryption_version: 1,
  min_encryption_version: 1,
  rotation_period_seconds: 0,
  legacy_versions: 0,
};
/** Where nothing listens any more. */
const NOWHERE = await (async () => {
  await using server = await fakeServer({});
  return server.url;
})();

describe("the exit code", () => {
  for (const [status, code, expected] of [
    [400, "invalid_request", 2],
    [400, "decryption_failed", 7],
    [401, "unauthenticated", 3],
    [403, "permission_denied", 3],
    [404, "not_found", 4],
    [409, "already_exists", 5],
    [500, "internal", 7],
    [503, "storage_unavailable", 6],
    [418, "a_code_of_the_future", 7],
  ] as const) {
    test(`of ${code} is ${expected}, with code, request id and advice`, async () => {
      await using server = await fakeServer({ "GET /v1/keys/k": errorAnswer(status, code) });
      const outcome = await runLine(["key", "get", "k"], server.url);
      assert.equal(outcome.code, expected);
      assert.match(outcome.stderr, new RegExp(`^bunkms: text of ${code} \\(${code}, request req-1\\)\n {2}\\S.*\n$`));
      assert.equal(outcome.stdout, "");
    });
  }

  test("of a server that is not there is 6, naming the address", async () => {
    const outcome = await runLine(["key", "get", "k"], NOWHERE);
    assert.equal(outcome.code, 6);
    assert.match(outcome.stderr, /^bunkms: cannot reach http:\/\/127\.0\.0\.1:\d+: nothing listens there\n {2}Check/);
  });

  test("of something that is not BunKMS is 7", async () => {
    await using server = await fakeServer({ "GET /v1/keys/k": [200, ["hello"]] });
    assert.equal((await runLine(["key", "get", "k"], server.url)).code, 7);
  });

  for (const argv of [
    [],
    ["nonsense"],
    ["key"],
    ["key", "create"],
    ["key", "get", "a", "b"],
    ["key", "get", "k", "--nonsense"],
    ["key", "list", "--page-size", "0"],
    ["key", "get", "k", "--timeout", "never"],
    ["encrypt", "k", "--aad", "a", "--context", "a=b"],
    ["encrypt", "k", "--context", "novalue"],
    ["encrypt", "k", "--context", "a=1", "--context", "a=2"],
    ["encrypt", "k", "--in", "/nonexistent"],
    ["verify", "k"],
    ["token", "create", "--name", "x"],
    ["token", "create", "--name", "x", "--role", "reader", "--ttl", "soon"],
    ["audit", "list", "--since", "yesterday"],
    ["key", "get", ".."],
    ["secret", "delete", "s"],
    ["key", "schedule-deletion", "k"],
    ["key", "create", "k", "--tag", "novalue"],
    ["key", "create", "k", "--rotate-every", "often"],
    ["key", "update", "k"],
    ["key", "update", "k", "--no-rotation", "--rotate-every", "90d"],
    ["key", "disable", "k", "--version", "0"],
    ["alias", "set", "a"],
    ["decrypt", "k", "--version", "1"],
    ["decrypt", "k", "--in", "/dev/null", "--data-file", "/dev/null"],
    ["verify-mac", "k"],
    ["derive", "k"],
    ["encapsulate", "k", "--json", "--out", "/dev/null"],
    ["rewrap", "k", "--file", "/dev/null"],
    ["rewrap", "k", "--force"],
    ["completion", "tcsh"],
  ]) {
    test(`of "bunkms ${argv.join(" ")}" is 2, and nothing is sent`, async () => {
      await using server = await fakeServer({});
      const outcome = await runLine(argv, server.url);
      assert.equal(outcome.code, 2);
      assert.notEqual(outcome.stderr, "");
      assert.equal(outcome.stdout, "");
      assert.equal(server.seen.length, 0);
    });
  }

  test("of an unknown operation is 4", async () => {
    assert.equal((await runLine(["call", "keys.destroy"], NOWHERE)).code, 4);
  });

  test("of a signature that is not valid is 1", async () => {
    await using server = await fakeServer({ "POST /v1/keys/k/verify": [200, { valid: false }] });
    using folder = temporaryFolder();
    const file = join(folder.path, "sig");
    writeFileSync(file, "AAEC\n");
    const outcome = await runLine(["verify", "k", "--signature-file", file], server.url, { stdin: "message" });
    assert.deepEqual([outcome.code, outcome.stdout], [1, "not valid\n"]);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { message_b64: "bWVzc2FnZQ==", signature_b64: "AAEC" });
  });
});

describe("a secret on the command line", () => {
  for (const argv of [
    ["key", "list", "--token", "bkms_secret"],
    ["key", "list", "--token=bkms_secret"],
    ["--token", "bkms_secret", "key", "list"],
    ["encrypt", "k", "--plaintext", "bkms_secret"],
    ["secret", "put", "s", "--value=bkms_secret"],
  ]) {
    test(`is refused in "${argv.join(" ")}" with the reason, and not repeated`, async () => {
      const outcome = await runLine(argv, NOWHERE);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, /on purpose: every user of a machine sees its command lines/);
      assert.doesNotMatch(outcome.stderr, /bkms_secret/);
    });
  }

  for (const argv of [
    ["secret", "put", "s", "hunter2"],
    ["secret", "put", "s", "a\nhunter2"],
    ["secret", "put", "s", "--val=hunter2"],
  ]) {
    test(`that is not expected in ${JSON.stringify(argv.join(" "))} is refused and not repeated`, async () => {
      const outcome = await runLine(argv, NOWHERE);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, /^bunkms: .*\n {2}See "bunkms secret put --help"\.\n$/);
      assert.doesNotMatch(outcome.stderr, /hunter2/);
    });
  }
});

describe("the shared options", () => {
  for (const argv of [
    ["--json", "key", "get", "k"],
    ["key", "get", "--json", "k"],
    ["key", "get", "k", "--json"],
  ]) {
    test(`work in "bunkms ${argv.join(" ")}"`, async () => {
      await using server = await fakeServer({ "GET /v1/keys/k": [200, KEY] });
      const outcome = await runLine(argv, server.url);
      assert.equal(outcome.code, 0);
      assert.deepEqual(JSON.parse(outcome.stdout), KEY);
    });
  }

  test("help goes to standard output and is a success", async () => {
    const outcome = await runLine(["key", "create", "--help"], NOWHERE);
    assert.equal(outcome.code, 0);
    assert.match(outcome.stdout, /Examples:\n {2}\$ bunkms key create invoices/);
  });
});

describe("lists", () => {
  const pages = {
    "GET /v1/keys": ({ url }: { url: string }) =>
      url.includes("page_token=t1")
        ? ([200, { keys: [{ ...KEY, name: "b" }], next_page_token: "" }] as const)
        : ([200, { keys: [{ ...KEY, name: "a" }], next_page_token: "t1" }] as const),
  };

  test("show the first page and say on standard error how to go on", async () => {
    await using server = await fakeServer(pages);
    const outcome = await runLine(["key", "list"], server.url);
    assert.equal(
      outcome.stdout,
      "NAME  TYPE     PURPOSE  STATE    VERSION  CREATED\na     aes-256  encrypt  enabled  1        2026-01-02T03:04:05Z\n",
    );
    assert.equal(outcome.stderr, "There is more: add --all, or --page-token t1\n");
  });

  test("with --all fetch every page and show them as one", async () => {
    await using server = await fakeServer(pages);
    const outcome = await runLine(["key", "list", "--all", "--json", "--prefix", "x y"], server.url);
    const answer = JSON.parse(outcome.stdout) as { keys: { name: string }[]; next_page_token: string };
    assert.deepEqual(
      answer.keys.map((key) => key.name),
      ["a", "b"],
    );
    assert.equal(answer.next_page_token, "");
    assert.deepEqual(
      server.seen.map((one) => one.url),
      ["/v1/keys?prefix=x+y&page_size=1000", "/v1/keys?prefix=x+y&page_size=1000&page_token=t1"],
    );
  });
});

describe("bytes", () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const answers = {
    "GET /v1/secrets/a/b": [200, { name: "a/b", version: 1, value_b64: all.toString("base64") }] as const,
    "POST /v1/secrets": [201, { name: "a/b", version: 1 }] as const,
  };

  test("go in from standard input and come out unchanged", async () => {
    await using server = await fakeServer(answers);
    await runLine(["secret", "put", "a/b"], server.url, { stdin: all });
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { name: "a/b", value_b64: all.toString("base64") });
    assert.deepEqual((await runLine(["secret", "get", "a/b"], server.url)).bytes, all);
  });

  test("that are not text are kept from a terminal unless --raw insists", async () => {
    await using server = await fakeServer(answers);
    const refused = await runLine(["secret", "get", "a/b"], server.url, { terminal: true });
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /--out FILE, or insist: --raw/);
    const insisted = await runLine(["secret", "get", "a/b", "--raw"], server.url, { terminal: true });
    assert.deepEqual(insisted.bytes.subarray(0, 256), all);
  });

  test("written with --out make a file that only its owner reads, even over one that others could read", async () => {
    await using server = await fakeServer(answers);
    using folder = temporaryFolder();
    const file = join(folder.path, "value");
    writeFileSync(file, "longer than before".repeat(100), { mode: 0o644 });
    assert.equal((await runLine(["secret", "get", "a/b", "--out", file], server.url)).stdout, "");
    assert.deepEqual(readFileSync(file), all);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test("beyond 512 KiB are refused before they are sent, with what to do instead", async () => {
    await using server = await fakeServer(answers);
    const outcome = await runLine(["encrypt", "k"], server.url, { stdin: Buffer.alloc(512 * 1024 + 1) });
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /the plaintext is larger than 512 KiB\n {2}Encrypt it here: "bunkms encrypt-file/);
    assert.equal(server.seen.length, 0);
  });

  test("of control sequences in what a server says of a failure are shown, not obeyed", async () => {
    const failure = { error: "gone\u001b[2J\u009b\u200f\n  Run this", code: "not_found", request_id: "r" };
    await using server = await fakeServer({ "GET /v1/keys/a": [404, failure] });
    const { stderr } = await runLine(["key", "get", "a"], server.url);
    assert.match(stderr, /^bunkms: gone\\x1b\[2J\\x9b\\u200f\\n {2}Run this \(not_found/);
  });

  test("of control sequences in names are shown, not obeyed", async () => {
    await using server = await fakeServer({ "GET /v1/keys": [200, { keys: [{ ...KEY, name: "\u001b[2J\u009bx" }] }] });
    assert.match((await runLine(["key", "list"], server.url)).stdout, /^\\x1b\[2J\\x9bx /m);
    const json = (await runLine(["key", "list", "--json"], server.url)).stdout;
    assert.ok(!json.includes("\u001b") && !json.includes("\u009b"));
  });
});

describe("the versions of a secret", () => {
  const made = { name: "a/b", version: 4 };
  const destroyed = { version: 2, created_at: "2026-01-02T03:04:05Z", state: "destroyed" };
  const answers = {
    "POST /v1/secrets": [201, made] as const,
    "GET /v1/secrets/a/b": [200, { ...made, version: 2, value_b64: "AQI=" }] as const,
    "GET /v1/versions/secrets/a/b": [200, { versions: [destroyed] }] as const,
    "DELETE /v1/versions/secrets/a/b": [200, destroyed] as const,
  };

  for (const [options, sent] of [
    [["--if-version", "0"], { if_version: 0 }],
    [["--if-version", "3", "--max-versions", "5"], { if_version: 3, max_versions: 5 }],
    [[], {}],
  ] as const) {
    test(`are put with ${options.join(" ") || "no conditions"}`, async () => {
      await using server = await fakeServer(answers);
      const outcome = await runLine(["secret", "put", "a/b", ...options], server.url, { stdin: "x" });
      assert.equal(outcome.stdout, "a/b version 4\n");
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { name: "a/b", value_b64: "eA==", ...sent });
    });
  }

  test("are read by their number, listed and destroyed", async () => {
    await using server = await fakeServer(answers);
    const read = await runLine(["secret", "get", "a/b", "--version", "2"], server.url);
    assert.deepEqual([...read.bytes], [1, 2]);
    const listed = await runLine(["secret", "versions", "a/b"], server.url);
    assert.match(listed.stdout, /^VERSION +STATE +STORED\n2 +destroyed +2026-01-02/);
    const gone = await runLine(["secret", "destroy-version", "a/b", "--version", "2", "--yes"], server.url);
    assert.equal(gone.stdout, "a/b version 2 destroyed\n");
    assert.deepEqual(
      server.seen.map(({ url }) => url),
      ["/v1/secrets/a/b?version=2", "/v1/versions/secrets/a/b", "/v1/versions/secrets/a/b?version=2"],
    );
  });

  test("that are not there are looked for where they are listed", async () => {
    await using server = await fakeServer({});
    for (const command of [["get"], ["destroy-version", "--yes"]]) {
      const outcome = await runLine(["secret", ...command, "a/b", "--version", "9"], server.url);
      assert.equal(outcome.code, 4);
      assert.match(outcome.stderr, /bunkms secret versions NAME/);
    }
  });

  for (const [what, options] of [
    ["no version", ["--yes"]],
    ["version 0", ["--version", "0", "--yes"]],
    ["nobody who was asked", ["--version", "2"]],
  ] as const) {
    test(`are not destroyed with ${what}`, async () => {
      await using server = await fakeServer(answers);
      assert.equal((await runLine(["secret", "destroy-version", "a/b", ...options], server.url)).code, 2);
      assert.equal(server.seen.length, 0);
    });
  }
});

describe("the terminal", () => {
  test("is asked for a secret's value twice, hidden, with erasing", async () => {
    await using server = await fakeServer({ "POST /v1/secrets": [201, { name: "s", version: 1 }] });
    const stdin = "wrong\u0015päß\u007fss\rpäss\r";
    const outcome = await runLine(["secret", "put", "s"], server.url, { terminal: true, stdin });
    assert.equal(outcome.code, 0);
    assert.equal(outcome.stderr, "Value (hidden): \nAgain: \n");
    assert.equal(JSON.parse(server.seen[0]?.body ?? "").value_b64, Buffer.from("päss").toString("base64"));
  });

  for (const [what, stdin] of [
    ["differ", "one\rtwo\r"],
    ["are empty", "\r\r"],
    ["end with Ctrl-C", "one\u0003"],
    ["end", "one"],
  ] as const) {
    test(`stores nothing when the two values ${what}`, async () => {
      await using server = await fakeServer({});
      assert.equal((await runLine(["secret", "put", "s"], server.url, { terminal: true, stdin })).code, 2);
      assert.equal(server.seen.length, 0);
    });
  }

  for (const [answer, deleted] of [
    ["y\n", true],
    ["YES\n", true],
    ["\n", false],
    ["yy\n", false],
    ["", false],
  ] as const) {
    test(`is asked before a secret is destroyed, and ${JSON.stringify(answer)} ${deleted ? "does" : "does not"}`, async () => {
      await using server = await fakeServer({ "DELETE /v1/secrets/a/b": [200, {}] });
      const outcome = await runLine(["secret", "delete", "a/b"], server.url, { terminal: true, stdin: answer });
      assert.equal(outcome.code, deleted ? 0 : 2);
      assert.equal(server.seen.length, deleted ? 1 : 0);
    });
  }
});

describe("bunkms sign", () => {
  const answers = { "POST /v1/keys/k/sign": [200, { signature_b64: "AQI=", version: 1 }] as const };
  const hash = "ab".repeat(32);

  for (const [what, argv, stdin, input] of [
    ["a message", [], "m", { message_b64: "bQ==" }],
    ["what sha256sum prints", ["--digest", "hex"], `${hash}  file\n`, { digest_b64: `${"q6ur".repeat(10)}q6s=` }],
    ["a digest's bytes", ["--digest", "raw"], Buffer.from([1, 2]), { digest_b64: "AQI=" }],
  ] as const) {
    test(`takes ${what}`, async () => {
      await using server = await fakeServer(answers);
      const outcome = await runLine(["sign", "k", ...argv], server.url, { stdin });
      assert.deepEqual([outcome.code, outcome.stdout], [0, "AQI=\n"]);
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), input);
    });
  }

  test("refuses a digest that is not in hexadecimal", async () => {
    await using server = await fakeServer(answers);
    assert.equal((await runLine(["sign", "k", "--digest", "hex"], server.url, { stdin: "abc" })).code, 2);
    assert.equal(server.seen.length, 0);
  });
});
