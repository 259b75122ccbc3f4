import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe } from "node:test";
import { fakeServer, testsInFolder } from "../test-bed.ts";

const HANDOVER = "bunkms audit key handover v1\nx\n\n— x AAAAAAE=\n";
const KEYS = [
  { version: 1, vkey: "old", key_id: "00000001", created_at: "2026-01-02T03:04:05Z", active: false, handover: "" },
  { version: 2, vkey: "new", key_id: "00000002", created_at: "2026-01-02T03:04:05Z", active: true, handover: HANDOVER },
];

const inFolder = testsInFolder(() =>
  fakeServer({
    "GET /v1/audit/keys": [200, { origin: "log", keys: KEYS }],
    "GET /v1/audit/receipts/7": [200, { index: "7", entry_b64: "e30=", proof: "c2sp.org/tlog-proof@v1\n" }],
    "POST /v1/audit/hash": ({ body }) => [200, { hash: `hmac-sha256:${JSON.parse(body).value_b64}` }],
  }),
);

describe("bunkms audit", () => {
  inFolder("key shows all keys, and writes the newest and the hand-overs", async ({ run, path }) => {
    const { code, stdout } = await run(["audit", "key", "--out", path("key"), "--handovers", path("handovers")]);
    assert.equal(code, 0);
    const lines = stdout.split("\n");
    assert.equal(lines[0], "log");
    assert.match(lines[2] ?? "", /^1 +00000001 +2026-01-02T03:04:05Z +no +old$/);
    assert.match(lines[3] ?? "", /^2 +00000002 +2026-01-02T03:04:05Z +yes +new$/);
    assert.equal(readFileSync(path("key"), "utf8"), "new\n");
    assert.equal(readFileSync(path("handovers"), "utf8"), HANDOVER);
  });

  inFolder("receipt writes the proof, of an index only", async ({ run, path, server }) => {
    assert.equal((await run(["audit", "receipt", "7", "--out", path("receipt")])).code, 0);
    assert.equal(readFileSync(path("receipt"), "utf8"), "c2sp.org/tlog-proof@v1\n");
    const asked = server.seen.length;
    for (const index of ["x", "-1", "07", "1e3", "../7"]) {
      assert.equal((await run(["audit", "receipt", "--", index])).code, 2, index);
    }
    assert.equal(server.seen.length, asked);
  });

  inFolder("hash takes the value as argument, from standard input or a file, byte for byte", async ({ run }) => {
    const hash = async (argv: readonly string[], stdin?: Uint8Array) =>
      (await run(["audit", "hash", "--field", "aad", ...argv], stdin === undefined ? {} : { stdin })).stdout;
    assert.equal(await hash(["row 7"]), "hmac-sha256:cm93IDc=\n");
    assert.equal(await hash([], Buffer.of(0xff, 0x0a)), "hmac-sha256:/wo=\n");
    assert.equal((await run(["audit", "hash", "x"])).code, 2);
    assert.equal((await run(["audit", "hash", "x", "--field", "aad", "--in", "y"])).code, 2);
    assert.equal((await run(["audit", "hash", "--field", "aad"], { stdin: Buffer.alloc(32_769) })).code, 2);
  });
});
