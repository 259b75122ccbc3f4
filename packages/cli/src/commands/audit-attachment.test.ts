import assert from "node:assert/strict";
import { describe } from "node:test";
import { errorAnswer, fakeServer, testsInFolder } from "../test-bed.ts";

const DIGEST = "ab".repeat(32);
const BEGUN = { name: "begun.log", size: 524_288, created_at: "2026-01-02T03:04:05Z", sha256: "" };
const FINISHED = {
  ...{ name: "old.log", size: 1000, created_at: "2026-01-02T03:04:05Z", finished_at: "2026-01-02T03:05:00Z" },
  sha256: DIGEST,
};

const inFolder = testsInFolder(() =>
  fakeServer({
    "GET /v1/audit/attachments": ({ url }) => {
      const prefix = new URL(url, "http://server").searchParams.get("prefix") ?? "";
      return [200, { attachments: [BEGUN, FINISHED].filter(({ name }) => name.startsWith(prefix)) }];
    },
    "DELETE /v1/audit/attachments/old.log": [200, FINISHED],
    "DELETE /v1/audit/attachments/begun.log": [200, BEGUN],
    "DELETE /v1/audit/attachments/held.log": errorAnswer(409, "audit_hold"),
  }),
);

const remove = (name: string, ...more: string[]) => ["audit", "remove-attachment", name, ...more];
const removals = (seen: readonly { readonly method: string; readonly url: string }[]) =>
  seen.filter(({ method }) => method === "DELETE").map(({ url }) => url);

describe("bunkms audit", () => {
  inFolder("attachments tells what is unfinished, and since when", async ({ run }) => {
    const { code, stdout } = await run(["audit", "attachments"]);
    assert.equal(code, 0);
    assert.match(stdout, /^begun\.log +524288 +no, begun 2026-01-02T03:04:05Z *$/m);
    assert.match(stdout, new RegExp(`^old\\.log +1000 +2026-01-02T03:05:00Z +${DIGEST}$`, "m"));
  });

  inFolder(
    "remove-attachment removes what is finished and what is not, and says what it was",
    async ({ run, server }) => {
      const finished = await run(remove("old.log", "--yes"));
      assert.deepEqual([finished.code, finished.stdout], [0, `old.log, 1000 bytes, sha256 ${DIGEST}: removed\n`]);
      const begun = await run(remove("begun.log", "--yes"));
      assert.deepEqual([begun.code, begun.stdout], [0, "begun.log, 524288 bytes, unfinished: removed\n"]);
      assert.equal(JSON.parse((await run(remove("old.log", "--yes", "--json"))).stdout).sha256, DIGEST);
      assert.equal(removals(server.seen).length, 3);
    },
  );

  inFolder(
    "attachment gives a terminal nothing that it would act on, unless --raw insists",
    async ({ run, server }) => {
      const read = ["audit", "attachment", "old.log", "-o", "-"];
      const refused = await run(read, { terminal: true });
      assert.deepEqual([refused.code, refused.stdout, server.seen], [2, "", []]);
      assert.match(refused.stderr, /-o FILE, or insist: --raw/);
      // The server has no part of it.
      assert.equal((await run([...read, "--raw"], { terminal: true })).code, 4);
      assert.equal((await run(read)).code, 4);
    },
  );

  inFolder("remove-attachment asks on a terminal, and elsewhere wants --yes", async ({ run, server }) => {
    const unasked = await run(remove("old.log"));
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /Add --yes\./);
    assert.deepEqual(server.seen, []);
    for (const stdin of ["n\n", "\n", "", "old.log\n"]) {
      const refused = await run(remove("old.log"), { terminal: true, stdin });
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /Remove old\.log, 1000 bytes, sha256 (ab){32}, for good\? \[y\/N\] /);
      assert.match(refused.stderr, /nothing was removed/);
    }
    assert.deepEqual(removals(server.seen), []);
    assert.equal((await run(remove("old.log"), { terminal: true, stdin: "y\n" })).code, 0);
    assert.deepEqual(removals(server.seen), ["/v1/audit/attachments/old.log"]);
  });

  inFolder("remove-attachment tells of a hold, and of what is not there", async ({ run, server }) => {
    const held = await run(remove("held.log", "--yes"));
    assert.equal(held.code, 5);
    assert.match(held.stderr, /audit_hold.*\n.*bunkms audit retention/);
    for (const name of ["gone.log", "old"]) {
      const gone = await run(remove(name, "--yes"));
      assert.equal(gone.code, 4);
      assert.match(gone.stderr, /bunkms audit attachments/);
      assert.equal((await run(remove(name), { terminal: true, stdin: "y\n" })).code, 4);
    }
    assert.equal(removals(server.seen).length, 3);
  });
});
