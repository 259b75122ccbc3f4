import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeServer, runLine } from "../test-bed.ts";

const VERSION = {
  version: 1,
  created_at: "2026-01-02T03:04:05Z",
  state: "pending_deletion",
  deletion_at: "2026-02-02T03:04:05Z",
  last_used_at: "2026-01-03T00:01:00Z",
  uses: "18014398509481985",
};
const KEY = {
  name: "k",
  id: "0".repeat(32),
  type: "aes-256",
  purpose: "encrypt",
  state: "enabled",
  description: "what for",
  tags: { b: "2", a: "" },
  derived: true,
  imported: true,
  created_at: "2026-01-02T03:04:05Z",
  latest_version: 2,
  min_decryption_version: 1,
  min_encryption_version: 2,
  rotation_period_seconds: 5400,
  next_rotation_at: "2026-01-02T04:34:05Z",
  versions: [VERSION, { version: 2, created_at: "2026-01-02T03:04:06Z", state: "enabled", uses: "0" }],
};

/** The requests that a command line sends, as method, path and body. */
async function sent(...argv: readonly string[]): Promise<readonly unknown[]> {
  const paths = [
    "POST /v1/keys",
    "PATCH /v1/keys/k",
    ...["enable", "disable", "schedule-deletion", "cancel-deletion"].flatMap((step) => [
      `POST /v1/keys/k/${step}`,
      `POST /v1/keys/k/versions/2/${step}`,
    ]),
  ];
  await using server = await fakeServer(Object.fromEntries(paths.map((path) => [path, [200, KEY] as const])));
  const { code, stderr } = await runLine(argv, server.url);
  assert.equal(code, 0, stderr);
  return server.seen.map(({ method, url, body }) => [method, url, JSON.parse(body)]);
}

test("bunkms key get shows what is set of a key, and each version's state and use", async () => {
  await using server = await fakeServer({ "GET /v1/keys/k": [200, KEY] });
  const { stdout } = await runLine(["key", "get", "k"], server.url);
  assert.equal(
    stdout,
    `name               k
id                 ${"0".repeat(32)}
type               aes-256
purpose            encrypt
state              enabled
options            derived, imported
description        what for
tags               a=, b=2
created            2026-01-02T03:04:05Z
version            2
oldest to encrypt  version 2
rotates            every 1h30m, next at 2026-01-02T04:34:05Z

VERSION  STATE             DESTROYED AT          CREATED               LAST USED             USES
1        pending_deletion  2026-02-02T03:04:05Z  2026-01-02T03:04:05Z  2026-01-03T00:01:00Z  18014398509481985
2        enabled           -                     2026-01-02T03:04:06Z  never                 0
`,
  );
});

describe("the commands of a key's life send what they are told", () => {
  for (const [line, method, path, body] of [
    ["key create k", "POST", "/v1/keys", { name: "k" }],
    [
      "key create k --type aes-256-gcm-siv --purpose encrypt --derived --deterministic --exportable --imported",
      "POST",
      "/v1/keys",
      {
        name: "k",
        type: "aes-256-gcm-siv",
        purpose: "encrypt",
        derived: true,
        deterministic: true,
        exportable: true,
        imported: true,
      },
    ],
    [
      "key create k --description d --tag a=1=2 --tag b= --rotate-every 90d",
      "POST",
      "/v1/keys",
      { name: "k", description: "d", tags: { a: "1=2", b: "" }, rotation_period_seconds: 7_776_000 },
    ],
    ["key update k --remove-tag a --remove-tag b", "PATCH", "/v1/keys/k", { remove_tags: ["a", "b"] }],
    ["key update k --no-rotation", "PATCH", "/v1/keys/k", { rotation_period_seconds: 0 }],
    ["key update k --description=", "PATCH", "/v1/keys/k", { description: "" }],
    [
      "key update k --min-decryption-version 2 --min-encryption-version 3",
      "PATCH",
      "/v1/keys/k",
      { min_decryption_version: 2, min_encryption_version: 3 },
    ],
    ["key enable k", "POST", "/v1/keys/k/enable", {}],
    ["key enable k --version 2", "POST", "/v1/keys/k/versions/2/enable", {}],
    ["key disable k", "POST", "/v1/keys/k/disable", {}],
    ["key disable k --version 2", "POST", "/v1/keys/k/versions/2/disable", {}],
    ["key schedule-deletion k --yes", "POST", "/v1/keys/k/schedule-deletion", {}],
    [
      "key schedule-deletion k --yes --version 2 --window-days 7",
      "POST",
      "/v1/keys/k/versions/2/schedule-deletion",
      { window_days: 7 },
    ],
    ["key cancel-deletion k", "POST", "/v1/keys/k/cancel-deletion", {}],
    ["key cancel-deletion k --version 2", "POST", "/v1/keys/k/versions/2/cancel-deletion", {}],
  ] as const) {
    test(`in "bunkms ${line}"`, async () => {
      assert.deepEqual(await sent(...line.split(" ")), [[method, path, body]]);
    });
  }

  test('in "bunkms key list" with all its filters', async () => {
    await using server = await fakeServer({ "GET /v1/keys": [200, {}] });
    const filters = ["--prefix", "p", "--type", "aes-256", "--state", "disabled", "--tag", "a=b"];
    assert.equal((await runLine(["key", "list", ...filters], server.url)).code, 0);
    assert.equal(server.seen[0]?.url, "/v1/keys?prefix=p&type=aes-256&state=disabled&tag=a%3Db");
  });
});

describe("on a terminal a key's deletion", () => {
  const answers = {
    "GET /v1/keys/%40current": [200, KEY] as const,
    "GET /v1/keys/k/deletion-preview": [200, { aliases: ["current", "old"], versions: KEY.versions }] as const,
    "POST /v1/keys/%40current/schedule-deletion": [200, KEY] as const,
  };

  for (const [typed, isScheduled] of [
    ["k\n", true],
    ["k", true],
    ["@current\n", false],
    ["y\n", false],
    ["K\n", false],
    ["\n", false],
    ["", false],
  ] as const) {
    test(`is ${isScheduled ? "" : "not "}scheduled when ${JSON.stringify(typed)} is typed for the name of k`, async () => {
      await using server = await fakeServer(answers);
      const world = { terminal: true, stdin: typed };
      const outcome = await runLine(["key", "schedule-deletion", "@current"], server.url, world);
      assert.equal(outcome.code, isScheduled ? 0 : 2);
      assert.equal(
        server.seen.some(({ method }) => method === "POST"),
        isScheduled,
      );
      assert.match(
        outcome.stderr,
        /^last used +never\naliases +@current, @old\n.*\n1 +pending_deletion .*type the key's name: /s,
      );
    });
  }
});

describe("a list of key types", () => {
  test("is there without a server", async () => {
    const { stdout } = await runLine(["key", "types"], "http://127.0.0.1:9");
    assert.match(stdout, /^TYPE +PURPOSES\naes-256 +encrypt, wrap\n/);
    assert.match(stdout, /\nrsa-2048 +sign, encrypt, wrap\n/);
  });
});

describe("aliases", () => {
  const alias = { alias: "current", key_name: "k", updated_at: "2026-01-02T03:04:05Z" };

  for (const name of ["current", "@current"]) {
    test(`are set, shown and deleted as ${name}`, async () => {
      await using server = await fakeServer({
        "PUT /v1/aliases/current": [200, alias],
        "GET /v1/aliases/current": [200, alias],
        "DELETE /v1/aliases/current": [200, alias],
      });
      const shown = "alias    @current\nkey      k\nupdated  2026-01-02T03:04:05Z\n";
      assert.equal((await runLine(["alias", "set", name, "k"], server.url)).stdout, shown);
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { key_name: "k" });
      assert.equal((await runLine(["alias", "get", name], server.url)).stdout, shown);
      assert.equal((await runLine(["alias", "delete", name], server.url)).stdout, "@current deleted\n");
    });
  }

  test("are taken for the name of a key", async () => {
    await using server = await fakeServer({ "POST /v1/encrypt/%40current": [200, { ciphertext: "c" }] });
    assert.equal((await runLine(["encrypt", "@current"], server.url, { stdin: "x" })).stdout, "c\n");
  });

  test("are listed with what leads where", async () => {
    await using server = await fakeServer({ "GET /v1/aliases": [200, { aliases: [alias] }] });
    const { stdout } = await runLine(["alias", "list", "--key", "k", "--prefix", "c"], server.url);
    assert.equal(stdout, "ALIAS     KEY  UPDATED\n@current  k    2026-01-02T03:04:05Z\n");
    assert.equal(server.seen[0]?.url, "/v1/aliases?prefix=c&key_name=k");
  });
});
