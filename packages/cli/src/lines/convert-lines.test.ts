import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { errorAnswer, fakeServer, type SeenRequest, testsInFolder } from "../test-bed.ts";

/** A group takes so many lines, a request so many bytes. */
const GROUP = 500;
const REQUEST_BYTES = 1024 * 1024;

interface Item {
  readonly plaintext_b64: string;
  readonly ciphertext: string;
}

const itemsOf = ({ body }: SeenRequest): readonly Item[] => (JSON.parse(body) as { items: Item[] }).items;

/** Stands for a server whose ciphertext is `c.`, and then the plaintext in base64; all others fail. Early requests are slow. */
async function lineServer() {
  const answer = async (request: SeenRequest, result: (item: Item) => unknown) => {
    await sleep(Math.max(0, 30 - 10 * server.seen.length));
    return [200, { results: itemsOf(request).map(result) }] as const;
  };
  const failed = { error: { code: "decryption_failed", error: "it cannot be decrypted" } };
  const server = await fakeServer({
    "POST /v1/encrypt/k/batch": (request) =>
      answer(request, ({ plaintext_b64 }) => ({ ciphertext: `c.${plaintext_b64}`, version: 1 })),
    "POST /v1/decrypt/k/batch": (request) =>
      answer(request, ({ ciphertext }) =>
        ciphertext.startsWith("c.") ? { plaintext_b64: ciphertext.slice(2), version: 1 } : failed,
      ),
    "POST /v1/decrypt/broken/batch": [200, { results: [] }],
    "POST /v1/decrypt/gone/batch": errorAnswer(404, "not_found"),
  });
  return server;
}

const inFolder = testsInFolder(lineServer);

const lines = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `line ${index}`);
const encrypted = (text: string): string => `c.${Buffer.from(text).toString("base64")}`;

describe("encrypt --lines", () => {
  inFolder("encrypts each line by itself, in groups, and keeps the order", async ({ run, path, server }) => {
    const all = lines(3 * GROUP + 7);
    writeFileSync(path("in"), `${all.join("\n")}\n`);
    const outcome = await run(["encrypt", "k", "--lines", "--in", path("in")]);
    assert.deepEqual([outcome.code, outcome.stderr], [0, ""]);
    assert.equal(outcome.stdout, all.map((line) => `${encrypted(line)}\n`).join(""));
    assert.equal(server.seen.length, 4);
  });

  inFolder("takes every byte of a line but its newline, and empty lines, too", async ({ run }) => {
    const plaintexts = [" a\r", "", "\u00e9\u0000", "last"];
    const outcome = await run(["encrypt", "k", "--lines"], { stdin: plaintexts.join("\n") });
    assert.equal(outcome.stdout, plaintexts.map((text) => `${encrypted(text)}\n`).join(""));
    assert.equal((await run(["encrypt", "k", "--lines"], { stdin: "" })).stdout, "");
  });

  inFolder("sends how, and what all are bound to", async ({ run, server }) => {
    const how = ["--version", "2", "--algorithm", "rsa-oaep-sha1", "--context", "a=b"];
    await run(["encrypt", "k", "--lines", ...how], { stdin: "a\nb\n" });
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), {
      items: ["YQ==", "Yg=="].map((plaintext_b64) => ({ plaintext_b64, context: { a: "b" } })),
      version: 2,
      algorithm: "rsa-oaep-sha1",
    });
  });

  inFolder("keeps a request with long lines below what the server takes", async ({ run, server }) => {
    const stdin = [...Array(20).fill("x".repeat(100_000)), ...Array(3).fill("y".repeat(512 * 1024))].join("\n");
    const outcome = await run(["encrypt", "k", "--lines", "--aad", "z".repeat(30_000)], { stdin });
    assert.equal(outcome.stdout.split("\n").length, 24);
    assert.ok(server.seen.every(({ body }) => body.length <= REQUEST_BYTES));
    assert.ok(server.seen.length < 23);
  });

  inFolder("ends at a line that is too large, before it holds it, and leaves no file", async ({ run, path }) => {
    const stdin = `a\n${"b".repeat(3_000_000)}`;
    const outcome = await run(["encrypt", "k", "--lines", "--out", path("out")], { stdin });
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /line 2 is larger than 512 KiB/);
    assert.deepEqual(readdirSync(path(".")), []);
  });
});

describe("decrypt --lines", () => {
  inFolder("gives back what was encrypted, line by line", async ({ run, path }) => {
    const all = lines(2 * GROUP).join("\n");
    await run(["encrypt", "k", "--lines", "--out", path("enc")], { stdin: all });
    assert.equal(statSync(path("enc")).mode & 0o777, 0o600);
    assert.equal((await run(["decrypt", "k", "--lines", "--out", path("dec"), "--in", path("enc")])).code, 0);
    assert.equal(readFileSync(path("dec"), "utf8"), `${all}\n`);
    assert.deepEqual(readdirSync(path(".")).toSorted(), ["dec", "enc"]);
  });

  inFolder("passes over blanks, keeps empty lines, and asks for none of them", async ({ run, server }) => {
    const outcome = await run(["decrypt", "k", "--lines"], { stdin: `\n  ${encrypted("a")} \r\n \n${encrypted("")}` });
    assert.deepEqual([outcome.code, outcome.stdout], [0, "\na\n\n\n"]);
    assert.equal(itemsOf(server.seen[0] as SeenRequest).length, 2);
    assert.equal((await run(["decrypt", "k", "--lines"], { stdin: "\n\n" })).stdout, "\n\n");
    assert.equal(server.seen.length, 1);
  });

  inFolder("leaves an empty line for one that fails, says which, and goes on", async ({ run }) => {
    const stdin = `${encrypted("a")}\nbad\n${encrypted("b\nc")}\n${encrypted("d")}\n`;
    const outcome = await run(["decrypt", "k", "--lines"], { stdin });
    assert.deepEqual([outcome.code, outcome.stdout], [7, "a\n\n\nd\n"]);
    assert.equal(
      outcome.stderr,
      "line 2: it cannot be decrypted (decryption_failed)\n" +
        "line 3: what it holds is not one line: it has a line end\n2 of 4 lines failed.\n",
    );
  });

  inFolder("ends when the server refuses the whole, or answers what does not fit", async ({ run, path }) => {
    const stdin = `${encrypted("a")}\n`;
    assert.equal((await run(["decrypt", "gone", "--lines", "--out", path("out")], { stdin })).code, 4);
    const outcome = await run(["decrypt", "broken", "--lines", "--out", path("out")], { stdin });
    assert.equal(outcome.code, 7);
    assert.match(outcome.stderr, /does not fit the request/);
    assert.deepEqual(readdirSync(path(".")), []);
  });

  inFolder("keeps from a terminal what it would act on", async ({ run }) => {
    const world = { stdin: `${encrypted("\u001b[2J")}\n`, terminal: true };
    const refused = await run(["decrypt", "k", "--lines"], world);
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.equal((await run(["decrypt", "k", "--lines", "--raw"], world)).stdout, "\u001b[2J\n");
  });

  inFolder("has no form in JSON, and none for what was encrypted elsewhere", async ({ run, path, server }) => {
    for (const argv of [
      ["encrypt", "k", "--lines", "--json"],
      ["--json", "decrypt", "k", "--lines"],
      ["decrypt", "k", "--lines", "--data-file", path("x")],
      ["decrypt", "k", "--lines", "--version", "1"],
    ]) {
      assert.equal((await run(argv)).code, 2);
    }
    assert.equal(server.seen.length, 0);
  });
});
