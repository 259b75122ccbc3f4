import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../packages/cli/src/run.ts";
import { fakeIo, runLine } from "../../packages/cli/src/test-bed.ts";
import { startServer, type TestServer } from "../harness/server.ts";

let server: TestServer;
before(async () => {
  server = await startServer();
});
after(() => server.remove());

/** Runs `bunkms …` against the server. */
function cli(argv: readonly string[], token = server.rootToken) {
  return runLine(argv, server.url, { env: { BUNKMS_TOKEN: token } });
}

async function call(path: string, body: object, requestId = ""): Promise<Record<string, string>> {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${server.rootToken}`,
      "content-type": "application/json",
      ...(requestId === "" ? {} : { "x-request-id": requestId }),
    },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return (await response.json()) as Record<string, string>;
}

/** Starts `bunkms audit follow` with an admin token of its own, whose end ends it. */
async function follow(context: TestContext, ...argv: readonly string[]) {
  const made = await cli(["token", "create", "--name", "watcher", "--role", "admin", "--json"]);
  const { token, id } = JSON.parse(made.stdout) as { readonly token: string; readonly id: string };
  const { io, outcome } = fakeIo({
    env: { BUNKMS_URL: server.url, BUNKMS_TOKEN: token, XDG_CONFIG_HOME: "/nonexistent" },
  });
  const running = run(["audit", "follow", ...argv], io);
  const shows = async (pattern: RegExp) => {
    for (const end = Date.now() + 20_000; !pattern.test(outcome(0).stdout); await sleep(50)) {
      assert.ok(Date.now() < end, `${pattern} in ${outcome(0).stdout}`);
    }
  };
  const end = async () => {
    await cli(["token", "revoke", id]);
    return outcome(await running);
  };
  context.after(end);
  return { shows, end };
}

describe("bunkms audit follow", () => {
  test("shows what is there and what comes, each entry once and in order, without its own looks", async (context) => {
    const followed = await follow(context, "--from", "0", "--json");
    await followed.shows(/"system\.initialise"/);
    for (let calls = 0; calls < 600; calls += 50) {
      await Promise.all(Array.from({ length: 50 }, () => call("/v1/random", { bytes: 16 })));
    }
    await call("/v1/keys", { name: "last" });
    await followed.shows(/"key\/last"/);
    const { code, stdout, stderr } = await followed.end();
    assert.deepEqual([code, /go on there with --from \d+/.test(stderr)], [3, true], stderr);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(lines.filter(({ entry }) => entry.operation === "system.random").length, 600);
    assert.deepEqual(
      lines.filter(({ entry }) => /^audit\./.test(entry.operation)),
      [],
    );
    const indexes = lines.map(({ index }) => index as number);
    assert.deepEqual(
      indexes,
      [...new Set(indexes)].toSorted((a, b) => a - b),
    );
  });

  test("filters, and what others call under an id like its own is shown", async (context) => {
    const followed = await follow(context, "--operation", "keys.create");
    await call("/v1/random", { bytes: 16 });
    await call("/v1/keys", { name: "mine" }, `follow-${crypto.randomUUID()}`);
    await followed.shows(/^\d+ {2}\S+Z {2}root {2}keys\.create {2}key\/mine {2}ok {2}127\.0\.0\.1$/m);
    const { stdout } = await followed.end();
    assert.ok(!stdout.includes("random"), stdout);
  });

  test("needs an admin token", async () => {
    const reader = await call("/v1/tokens", { display_name: "reader", role: "reader" });
    const { code, stdout } = await cli(["audit", "follow"], reader["token"]);
    assert.deepEqual([code, stdout], [3, ""]);
  });
});

describe("bunkms audit get", () => {
  test("shows all that was recorded of an entry, or its bytes", async () => {
    await call("/v1/encrypt/last", { plaintext: "x", aad: "row 7" });
    const listed = await cli(["audit", "list", "--operation", "keys.encrypt", "--limit", "1", "--json"]);
    const { index } = JSON.parse(listed.stdout).entries[0];
    const shown = await cli(["audit", "get", index]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, new RegExp(`^index +${index}\\nv +1\\n`));
    assert.match(shown.stdout, /\noperation +keys\.encrypt\n(?:.*\n)*request\.aad +hmac-sha256:[0-9a-f]{64}\n/);
    const exported = await cli(["audit", "export", "--from", index, "--to", index]);
    assert.equal((await cli(["audit", "get", index, "--json"])).stdout, exported.stdout);
  });

  test("shows a line end that a caller put into a field as what it is", async () => {
    const asked = "x\noutcome  forged";
    await cli(["audit", "list", "--resource", asked]);
    const listed = await cli(["audit", "list", "--operation", "audit.list", "--limit", "1", "--json"]);
    const { index } = JSON.parse(listed.stdout).entries[0];
    const { stdout } = await cli(["audit", "get", index]);
    assert.match(stdout, /\nrequest\.resource +x\\noutcome {2}forged\n/);
    assert.doesNotMatch(stdout, /^outcome +forged/m);
  });

  test("refuses an index that is none, or that the log does not have", async () => {
    assert.equal((await cli(["audit", "get", "-1"])).code, 2);
    assert.equal((await cli(["audit", "get", "1e3"])).code, 2);
    assert.equal((await cli(["audit", "get", "999999"])).code, 4);
  });
});
