import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseTlogProof, verifyTlogProof } from "@bunkms/tlog";
import { ArchiveFolder } from "../audit/archive-folder.ts";
import { removePruned } from "../pipeline/audit-batches.ts";
import { openRoot, readSlots } from "../vault/root.ts";
import { type TestCalls, testCalls } from "./test-calls.ts";
import { FaultyStore, testSeal } from "./test-vault.ts";
import { openOrCreate, openVault, type Unsealed } from "./unseal.ts";
import { asVaultRefusal } from "./vault-refusal.ts";

interface Archived extends TestCalls {
  readonly folder: string;
  readonly seal: ReturnType<typeof testSeal>;
}

/** A vault with an archive, and so many entries. */
async function vaultWith(context: TestContext, entries: number): Promise<Archived> {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-archive-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const seal = testSeal();
  const calls = await testCalls(new FaultyStore(), seal, undefined, new ArchiveFolder(folder));
  await grow(calls, entries);
  return Object.assign(calls, { folder, seal });
}

async function grow({ unsealed }: TestCalls, entries: number): Promise<void> {
  const { committer, log } = unsealed;
  const record = { v: 1, time: new Date(0).toISOString(), operation: "test", identity: "", request: {}, response: {} };
  const entry = Buffer.from(JSON.stringify(record));
  await Promise.all(Array.from({ length: entries - log.frontier.size }, () => committer.submit(entry)));
  await committer.checkpoint();
}

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("full bundles are archived in the layout of a log, with a manifest whose digest the log records", async (context) => {
  const vault = await vaultWith(context, 1000);
  const answer = await vault.call("audit.archive", {});
  assert.deepEqual([answer["first"], answer["end"], answer["more"]], ["0", "768", false]);
  const manifest = readFileSync(join(vault.folder, answer["manifest"] as string));
  assert.equal(answer["manifest_sha256"], digest(manifest));
  const { origin, bundles } = JSON.parse(manifest.toString());
  assert.equal(origin, vault.unsealed.vault.logKeys.origin);
  assert.equal(bundles.length, 3);
  for (const { path, sha256 } of bundles) {
    assert.equal(sha256, digest(readFileSync(join(vault.folder, path))));
  }
  const { entries } = await vault.call("audit.list", { operation: "audit.archive" });
  const [entry] = entries as { response: Record<string, string> }[];
  assert.equal(entry?.response["manifest_sha256"], answer["manifest_sha256"]);
  assert.equal(entry?.response["end"], "768");
});

test("the archive goes on where it ended, and is never asked to do nothing", async (context) => {
  const vault = await vaultWith(context, 1000);
  assert.equal((await vault.call("audit.archive", { before: "300" }))["end"], "256");
  assert.equal(await vault.code("audit.archive", { before: "500" }), "wrong_audit_range");
  const next = await vault.call("audit.archive", {});
  assert.deepEqual([next["first"], next["end"]], ["256", "768"]);
  assert.equal(await vault.code("audit.archive", {}), "wrong_audit_range");
});

test("the bundle of the last entry is never archived, even when it is full", async (context) => {
  const vault = await vaultWith(context, 511);
  await vault.unsealed.committer.submit(Buffer.from("{}"));
  await vault.unsealed.committer.checkpoint();
  assert.equal(vault.unsealed.log.frontier.size, 512);
  assert.equal((await vault.call("audit.archive", {}))["end"], "256");
});

test("pruned entries are gone from the store; tiles, proofs, receipts and what the archive has stay", async (context) => {
  const vault = await vaultWith(context, 1000);
  const { store, unsealed } = vault;
  const before = await vault.call("audit.receipt", { index: "300" });
  await vault.call("audit.archive", {});
  assert.equal((await vault.call("audit.prune", { before: "700" }))["pruned"], "512");
  while (await removePruned(unsealed.vault.records, unsealed.vault.retention.current.pruned)) {
    // There is more.
  }
  const [oldest] = await store.list("audit", { limit: 1 });
  assert.ok((oldest?.path ?? "") >= `main/${(512).toString(16).padStart(16, "0")}`);
  const after = await vault.call("audit.receipt", { index: "300" });
  assert.equal(after["entry_b64"], before["entry_b64"]);
  const logs = unsealed.vault.logKeys.all.map(({ key }) => key);
  const entry = Buffer.from(after["entry_b64"] as string, "base64");
  verifyTlogProof(parseTlogProof(after["proof"] as string), entry, { logs });
  const bundle = await vault.call("audit.bundle", { bundle: "001" });
  assert.deepEqual(
    Buffer.from(bundle["data"] as string, "base64"),
    readFileSync(join(vault.folder, "tile/entries/001")),
  );
  const retention = await vault.call("audit.retention", {});
  assert.deepEqual([retention["archived"], retention["pruned"]], ["768", "512"]);
  assert.ok(Number(retention["stored_bytes"]) > 0);
  const page = await vault.call("audit.list", { page_size: 1000 });
  assert.equal(page["pruned"], "512");
  assert.equal(page["next_page_token"], "");
  assert.equal((page["entries"] as { index: string }[]).at(-1)?.index, "512");
});

test("a vault whose log was pruned opens again, and goes on", async (context) => {
  const vault = await vaultWith(context, 1000);
  await vault.call("audit.archive", {});
  await vault.call("audit.prune", { before: "768" });
  const { records, retention } = vault.unsealed.vault;
  await removePruned(records, retention.current.pruned);
  const again = await openOrCreate(vault.store, vault.seal());
  assert.deepEqual(again.vault.retention.current, retention.current);
  await again.committer.submit(Buffer.from("{}"), undefined, true);
  await openOrCreate(vault.store, vault.seal());
});

/** Opens the vault anew, with an archive that may be another one. */
async function openWith({ store, seal }: Archived, archive: ArchiveFolder | undefined): Promise<Unsealed> {
  return openVault(store, await openRoot(await readSlots(store), seal(), AbortSignal.timeout(10_000)), archive);
}

test("a start that needs the archive, which is changed, not whole or not there, blames the archive and not the log", async (context) => {
  const vault = await vaultWith(context, 1000);
  const { store, folder, unsealed } = vault;
  await vault.call("audit.archive", {});
  await vault.call("audit.prune", { before: "768" });
  await removePruned(unsealed.vault.records, 768);
  // Lost over pruned entries: what a start makes again from the archive.
  const tiles = await store.list("audit-tile", { limit: 10 });
  await store.commit(
    tiles.map(({ path, revision }) => ({ table: "audit-tile", path, value: null, expected: revision })),
  );
  const path = join(folder, "tile/entries/001");
  const bundle = readFileSync(path);
  const refusal = (finding: RegExp) => (error: Error) => {
    assert.equal(error.name, "ArchiveRefused");
    assert.match(error.message, finding);
    assert.match(
      error.message,
      /: give --audit-archive \/ BUNKMS_AUDIT_ARCHIVE the folder that it was archived to, or restore/,
    );
    assert.doesNotMatch(error.message, /is damaged|older or changed records/);
    assert.throws(() => asVaultRefusal(error), { code: "vault_damaged", cause: error });
    return true;
  };
  const open = (at = folder) => openWith(vault, new ArchiveFolder(at));
  writeFileSync(path, bundle.with(40, (bundle[40] as number) ^ 1));
  await assert.rejects(open(), refusal(/the archive has other entries than those .* from tile\/entries\/000 to tile/));
  writeFileSync(path, bundle.subarray(0, -1));
  await assert.rejects(open(), refusal(/the archive has other entries than those .*, in tile\/entries\/001\. /));
  rmSync(path);
  await assert.rejects(open(), refusal(/the archive does not have them: tile\/entries\/001\. /));
  await assert.rejects(
    open(join(folder, "elsewhere")),
    refusal(/the archive does not have them: tile\/entries\/000\. /),
  );
  await assert.rejects(openWith(vault, undefined), refusal(/the archive does not have them: tile\/entries\/000\. /));
  writeFileSync(path, bundle);
  const again = await open();
  assert.equal(again.log.frontier.size, unsealed.log.frontier.size);
  assert.equal((await store.list("audit-tile", { limit: 10 })).length, tiles.length);
});

test("entries that somebody changed in the archive are not shown; the refusal and the server's log say where they are", async (context) => {
  const vault = await vaultWith(context, 1000);
  await vault.call("audit.archive", {});
  await vault.call("audit.prune", { before: "768" });
  const path = join(vault.folder, "tile/entries/001");
  const bundle = readFileSync(path);
  writeFileSync(path, bundle.with(40, (bundle[40] as number) ^ 1));
  const message = "the archive has other entries than those that were archived, in tile/entries/001";
  await assert.rejects(vault.call("audit.bundle", { bundle: "001" }), { code: "vault_damaged", message });
  await assert.rejects(vault.call("audit.receipt", { index: "300" }), { code: "vault_damaged", message });
  assert.deepEqual(
    vault.failures.map((failure) => (failure as Error).message),
    [message, message],
  );
  rmSync(path);
  await assert.rejects(vault.call("audit.bundle", { bundle: "001" }), { code: "not_found", message: /was pruned$/ });
});

test("nothing is pruned that is not archived, was changed there, or is not there any more", async (context) => {
  const vault = await vaultWith(context, 1000);
  assert.equal(await vault.code("audit.prune", { before: "256" }), "wrong_audit_range");
  await vault.call("audit.archive", {});
  assert.equal(await vault.code("audit.prune", { before: "1024" }), "wrong_audit_range");
  const path = join(vault.folder, "tile/entries/001");
  const bundle = readFileSync(path);
  for (const changed of [bundle.with(40, 1), bundle.subarray(0, -1), Buffer.alloc(0)]) {
    writeFileSync(path, changed);
    await assert.rejects(vault.call("audit.prune", { before: "512" }), {
      code: "storage_unavailable",
      message: "the archive has other entries than those that were archived, in tile/entries/001",
    });
  }
  rmSync(path);
  await assert.rejects(vault.call("audit.prune", { before: "512" }), {
    code: "storage_unavailable",
    message: "these entries are archived, and the archive does not have them: tile/entries/001",
  });
  writeFileSync(join(vault.folder, "elsewhere"), bundle);
  symlinkSync(join(vault.folder, "elsewhere"), path);
  assert.equal(await vault.code("audit.prune", { before: "512" }), "storage_unavailable");
  rmSync(path);
  execFileSync("mkfifo", [path]);
  assert.equal(await vault.code("audit.prune", { before: "512" }), "storage_unavailable");
  assert.equal((await vault.call("audit.prune", { before: "256" }))["pruned"], "256");
  assert.equal(vault.unsealed.vault.retention.current.pruned, 256);
});

test("a legal hold keeps its entries from being pruned until it is released", async (context) => {
  const vault = await vaultWith(context, 1000);
  await vault.call("audit.archive", {});
  await vault.call("audit.set_hold", { name: "case-7", reason: "a dispute", from: "300", until: "400" });
  assert.equal(await vault.code("audit.prune", { before: "768" }), "audit_hold");
  assert.equal((await vault.call("audit.prune", { before: "256" }))["pruned"], "256");
  assert.equal(await vault.code("audit.set_hold", { name: "late", from: "0" }), "wrong_audit_range");
  assert.equal(await vault.code("audit.set_hold", { name: "turned", from: "500", until: "500" }), "wrong_audit_range");
  await vault.call("audit.set_hold", { name: "all" });
  const again = await openOrCreate(vault.store, vault.seal());
  assert.deepEqual(
    again.vault.retention.current.holds.map(({ name, from, until }) => [name, from, until]),
    [
      ["all", 256, Number.POSITIVE_INFINITY],
      ["case-7", 300, 400],
    ],
  );
  await vault.call("audit.release_hold", { name: "all" });
  assert.equal(await vault.code("audit.release_hold", { name: "all" }), "not_found");
  assert.equal(await vault.code("audit.prune", { before: "768" }), "audit_hold");
  await vault.call("audit.release_hold", { name: "case-7" });
  assert.equal((await vault.call("audit.prune", { before: "768" }))["pruned"], "768");
});

test("a hold can be made to keep more, not less: that would be to release it", async (context) => {
  const vault = await vaultWith(context, 1000);
  const set = (from: string, until?: string) =>
    vault.code("audit.set_hold", { name: "case-7", from, ...(until === undefined ? {} : { until }) });
  assert.equal(await set("300", "400"), "ok");
  for (const [from, until] of [
    ["301", "400"],
    ["300", "399"],
    ["500", "600"],
    ["301", undefined],
  ] as const) {
    assert.equal(await set(from, until), "audit_hold");
  }
  assert.equal(await set("299", "401"), "ok");
  assert.equal(await set("299"), "ok");
  assert.equal(await set("299", "1000000"), "audit_hold");
});

test("what was worked out before somebody else pruned or archived is not applied", async (context) => {
  const { unsealed, call } = await vaultWith(context, 1000);
  const { retention } = unsealed.vault;
  await call("audit.archive", {});
  const late = [retention.archive(256, 512), retention.prune(256, 512, 1)];
  for (const plan of late) {
    assert.equal(plan.holds?.(), false);
  }
  const twice = [retention.prune(0, 512, 7), retention.prune(0, 512, 7)];
  const entry = Buffer.from("{}");
  const ends = await Promise.allSettled(twice.map((plan) => unsealed.committer.submit(entry, plan as never)));
  assert.deepEqual(ends.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  assert.deepEqual([retention.current.pruned, retention.current.prunedBytes], [512, 7]);
});

test("without a folder for it nothing is archived", async () => {
  const vault = await testCalls();
  await grow(vault, 600);
  assert.equal(await vault.code("audit.archive", {}), "archive_not_configured");
  assert.equal(await vault.code("audit.prune", { before: "256" }), "archive_not_configured");
});

test("an archive that is not there any more is not begun anew elsewhere", async (context) => {
  const vault = await vaultWith(context, 600);
  await vault.call("audit.archive", {});
  await grow(vault, 900);
  renameSync(vault.folder, `${vault.folder}.away`);
  assert.equal(await vault.code("audit.archive", {}), "storage_unavailable");
  assert.ok(!existsSync(vault.folder));
  assert.equal(vault.unsealed.vault.retention.current.archived, 512);
  renameSync(`${vault.folder}.away`, vault.folder);
  assert.equal((await vault.call("audit.archive", {}))["end"], "768");
});

test("a folder that cannot be written archives nothing, and says so", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-archive-"));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "file"), "");
  const vault = await testCalls(new FaultyStore(), testSeal(), undefined, new ArchiveFolder(join(folder, "file")));
  await grow(vault, 600);
  assert.equal(await vault.code("audit.archive", {}), "storage_unavailable");
  assert.equal(vault.unsealed.vault.retention.current.archived, 0);
});
