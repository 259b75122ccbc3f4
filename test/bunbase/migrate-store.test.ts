import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type GoContents, readContents } from "../../packages/cli/src/migrate/bunkms-go/contents.ts";
import { readOldAuditLogs } from "../../packages/cli/src/migrate/bunkms-go/old-audit-log.ts";
import { StoreError } from "../../packages/cli/src/migrate/bunkms-go/store-error.ts";
import { GO_MASTER_KEY, type GoKms, startGoKms } from "./go-kms.ts";
import { folderDigest } from "./migration.ts";

const MASTER_KEY = Buffer.from(GO_MASTER_KEY, "hex");

/** A data folder on which the Go server runs one time after the other. */
class GoFolder implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "bunkms-go-store-"));
  readonly data = join(this.#folder, "data");
  readonly auditLog = join(this.#folder, "audit.log");

  async run(work: (go: GoKms) => Promise<void>, end: "stop" | "kill" = "stop"): Promise<void> {
    const go = await startGoKms({ BUNKMS_DATA_PATH: this.data, BUNKMS_AUDIT_LOG: this.auditLog });
    try {
      await work(go);
    } finally {
      await go[end]();
    }
  }

  /** What the reader finds; it must not change the folder. */
  async read(olderKeys = false): Promise<GoContents> {
    const before = folderDigest(this.data);
    const auditLogs = await readOldAuditLogs([this.auditLog]);
    const contents = await readContents({ folder: this.data, auditLogs, olderKeys, now: Date.now() }, MASTER_KEY);
    assert.equal(folderDigest(this.data), before);
    return contents;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const reasons = ({ listed }: GoContents, name: string): string[] =>
  listed.filter((one) => one.name === name).map(({ reason }) => reason);
const namesOf = (items: readonly { readonly name: string }[]): string[] => items.map(({ name }) => name);
const padded = (i: number): string => String(i).padStart(4, "0");

test("hundreds of keys and secrets over many pages are all found, as they were last", async () => {
  using folder = new GoFolder();
  const keys = Array.from({ length: 150 }, (_, i) => `key-${padded(i)}`);
  const secrets = Array.from({ length: 150 }, (_, i) => `secret-${padded(i)}`);
  await folder.run(async (go) => {
    for (const name of keys) {
      await go.post("/v1/keys", { name });
    }
    for (const [i, name] of secrets.entries()) {
      await go.post("/v1/secrets", { name, value: `value ${i}` });
    }
  });
  const contents = await folder.read();
  assert.deepEqual(namesOf(contents.keys), keys);
  assert.deepEqual(
    contents.secrets.map(({ name, value }) => [name, value.toString()]),
    secrets.map((name, i) => [name, `value ${i}`]),
  );
  assert.deepEqual(contents.listed, []);
  assert.ok(contents.scan.leaves > 20, `${contents.scan.leaves} leaves`);
});

test("after restarts all generations are read: the newest of a name counts, and the older ones are listed or taken", async () => {
  using folder = new GoFolder();
  for (const rotations of [2, 0, 1]) {
    await folder.run(async (go) => {
      await go.post("/v1/keys", { name: "orders" });
      await go.post("/v1/secrets", { name: "token", value: `of the run with ${rotations}` });
      for (let i = 0; i < rotations; i++) {
        await go.post("/v1/keys/orders/rotate");
      }
      await go.post("/v1/keys", { name: `only-${rotations}` });
    });
  }
  const contents = await folder.read();
  assert.deepEqual(namesOf(contents.keys), ["only-0", "only-1", "only-2", "orders"]);
  assert.equal(contents.keys.at(-1)?.versions.length, 2);
  assert.equal(contents.secrets[0]?.value.toString(), "of the run with 1");
  assert.deepEqual(
    reasons(contents, "orders").map((reason) => /with (\d) version/.exec(reason)?.[1]),
    ["1", "3"],
  );
  assert.deepEqual(
    reasons(contents, "token"),
    Array.from({ length: 2 }, () => "an older value: only the newest one is carried over"),
  );
  const all = await folder.read(true);
  const older = all.keys.filter(({ name }) => /^orders\.\d{8}T\d{9}Z$/.test(name));
  assert.deepEqual(
    older.map(({ versions }) => versions.length),
    [1, 3],
  );
});

test("what a killed server had in memory alone is told from the audit file, and its empty pages do no harm", async () => {
  using folder = new GoFolder();
  await folder.run(async (go) => {
    await go.post("/v1/keys", { name: "kept" });
  });
  await folder.run(async (go) => {
    await go.post("/v1/keys", { name: "lost" });
    await go.post("/v1/secrets", { name: "gone", value: "1" });
  }, "kill");
  await folder.run(async (go) => {
    await go.post("/v1/secrets", { name: "later", value: "2" });
  });
  const contents = await folder.read();
  assert.deepEqual(namesOf(contents.keys), ["kept"]);
  assert.deepEqual(namesOf(contents.secrets), ["later"]);
  assert.equal(contents.scan.unwritten, 1);
  for (const name of ["lost", "gone"]) {
    assert.deepEqual(reasons(contents, name), [
      "the audit file says that it was stored, but the store does not have it",
    ]);
  }
});

test("RSA keys and values larger than a page: what the Go server wrote over is listed, what it left over is read", async () => {
  using folder = new GoFolder();
  const answered = new Set<string>();
  await folder.run(async (go) => {
    const tries: [string, string, object][] = [
      ["middle", "/v1/keys", { name: "middle" }],
      ["alpha", "/v1/keys", { name: "alpha" }],
      ["zeta", "/v1/keys", { name: "zeta" }],
      ...Array.from({ length: 40 }, (): [string, string, object] => ["", "/v1/keys/middle/rotate", {}]),
      ...["rsa-b", "rsa-a", "rsa-c"].map((name): [string, string, object] => [
        name,
        "/v1/keys",
        { name, type: "rsa-2048" },
      ]),
      ["big", "/v1/secrets", { name: "big", value: "x".repeat(5000) }],
      ["small", "/v1/secrets", { name: "small", value: "y" }],
    ];
    for (const [name, path, body] of tries) {
      if ((await go.status(path, body)) < 300 && name !== "") {
        answered.add(name);
      }
    }
  });
  const contents = await folder.read();
  const found = new Set([...namesOf(contents.keys), ...namesOf(contents.secrets)]);
  // Nothing that the server had said to be stored is passed over: it is there, or it is listed.
  for (const name of answered) {
    assert.ok(found.has(name) || reasons(contents, name).length > 0, name);
  }
  assert.ok(!answered.has("big") && !found.has("big"));
  assert.equal(contents.secrets.find(({ name }) => name === "small")?.value.toString(), "y");
  assert.ok((contents.keys.find(({ name }) => name === "middle")?.versions.length ?? 0) > 20);
  assert.ok(contents.listed.length > 0);
});

test("a revoked key is revoked, whatever older records say", async () => {
  using folder = new GoFolder();
  await folder.run(async (go) => {
    for (const name of ["a", "b", "c"]) {
      await go.post("/v1/keys", { name });
    }
    await go.post("/v1/keys/b/rotate");
    await go.post("/v1/keys/b/revoke");
  });
  const contents = await folder.read();
  assert.deepEqual(
    contents.keys.map(({ name, revokedAt, versions }) => [name, revokedAt !== undefined, versions.length]),
    [
      ["a", false, 1],
      ["b", true, 2],
      ["c", false, 1],
    ],
  );
});

test("while a Go server has the store open it is not read, and with another master key neither", async () => {
  using folder = new GoFolder();
  await folder.run(async (go) => {
    await go.post("/v1/keys", { name: "a" });
    await assert.rejects(folder.read(), (error) => error instanceof StoreError && error.code === "in_use");
  });
  const order = { folder: folder.data, auditLogs: [], olderKeys: false, now: Date.now() };
  await assert.rejects(
    readContents(order, Buffer.alloc(32)),
    (error) => error instanceof StoreError && error.code === "wrong_master_key",
  );
});
