import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { describe } from "node:test";
import { errorAnswer, fakeServer, runLine, testsInFolder } from "../test-bed.ts";

const DER = Buffer.concat([Buffer.from("308204d4300d", "hex"), Buffer.alloc(1234, 5)]);
const BASE64 = DER.toString("base64");
const ANSWERS = {
  "POST /v1/keys/k/backup": [200, { backup: "bkmbAAAA", recipient_fingerprint: "ab12" }],
  "POST /v1/restore/keys": [201, { name: "k2", latest_version: 2 }],
  "POST /v1/keys/lost/backup": errorAnswer(400, "invalid_public_key"),
  "GET /v1/backup-key": [200, { public_key_b64: BASE64, fingerprint: "ab12" }],
} as const;

const inFolder = testsInFolder(() => fakeServer(ANSWERS));

describe("a backup of a key", () => {
  inFolder("is one line, printed or in a file that its owner alone reads", async ({ path, server }) => {
    const printed = await runLine(["key", "backup", "k"], server.url);
    assert.deepEqual([printed.stdout, printed.stderr], ["bkmbAAAA\n", ""]);
    assert.equal((await runLine(["key", "backup", "k", "-o", path("b")], server.url)).stdout, "");
    assert.equal(readFileSync(path("b"), "utf8"), "bkmbAAAA\n");
    assert.equal(statSync(path("b")).mode & 0o777, 0o600);
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [{}, {}],
    );
  });

  inFolder(
    "is sealed to the backup key of a file, whatever its form, and names who can restore it",
    async ({ path, server }) => {
      await runLine(["backup-key", "-o", path("pem")], server.url);
      writeFileSync(path("der"), DER);
      writeFileSync(path("line"), `${BASE64}\n`);
      for (const file of ["pem", "der", "line"]) {
        const outcome = await runLine(["key", "backup", "k", "--recipient", path(file)], server.url);
        assert.match(outcome.stderr, /fingerprint ab12 can restore it/);
        assert.deepEqual(JSON.parse(server.seen.at(-1)?.body ?? ""), { recipient_public_key_b64: BASE64 }, file);
      }
    },
  );

  inFolder("is not asked for when the file holds no public key", async ({ path, server }) => {
    for (const content of ["", "nonsense", `${BASE64.slice(0, 40)}!`, "bkmbAAAA"]) {
      writeFileSync(path("file"), content);
      assert.equal((await runLine(["key", "backup", "k", "--recipient", path("file")], server.url)).code, 2);
    }
    assert.equal(server.seen.length, 0);
    writeFileSync(path("file"), BASE64);
    const refused = await runLine(["key", "backup", "lost", "--recipient", path("file")], server.url);
    assert.match(refused.stderr, /"bunkms backup-key" of the other cluster/);
  });

  inFolder("is restored from a file or standard input", async ({ path, server }) => {
    writeFileSync(path("b"), "bkmbAAAA\n");
    assert.match((await runLine(["key", "restore", "k2", "--in", path("b")], server.url)).stdout, /^name +k2\n/);
    assert.equal((await runLine(["key", "restore", "k2"], server.url, { stdin: "bkmbAAAA" })).code, 0);
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      Array(2).fill({ name: "k2", backup: "bkmbAAAA" }),
    );
  });
});

describe("the backup key", () => {
  inFolder("is printed as PEM, with its fingerprint beside it", async ({ server }) => {
    const outcome = await runLine(["backup-key"], server.url);
    assert.match(outcome.stdout, /^-----BEGIN PUBLIC KEY-----\n(?:[A-Za-z0-9+/]{64}\n)+[A-Za-z0-9+/=]+\n-----END/);
    assert.equal(outcome.stderr, "Fingerprint: ab12\n");
  });
});
