import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreUnavailable } from "../../packages/server/src/store/store.ts";
import { readTrail } from "./audit-trail.ts";
import { startBreakable, startBreakableVault } from "./breakable-server.ts";
import { initialise, SealCalls } from "./shamir-vault.ts";

test("CVE-2026-115357 REQ-05 a vault whose making cannot be recorded is none, and nobody gets its shares", async () => {
  await using server = await startBreakable();
  server.break();
  for (const transport of server.transports) {
    const calls = new SealCalls(transport);
    const { code, value } = await calls.ask("seals.initialise", { secret_shares: 5, secret_threshold: 3 });
    assert.ok(["audit_unavailable", "storage_unavailable"].includes(code), code);
    assert.deepEqual(value, {});
    const { state, initialized } = await calls.status();
    assert.deepEqual([state, initialized], ["uninitialised", false]);
    assert.equal((await calls.asRoot("keys.list")).code, "not_initialised");
  }
  assert.equal(server.store.commits, 0);
  server.repair();
  const vault = await initialise(server.transports[1]);
  assert.equal((await new SealCalls(server.transports[0], vault.rootToken).asRoot("keys.list")).code, "ok");
});

test("CVE-2026-115357 REQ-05 an opening that cannot be recorded leaves the vault sealed, and its record is not lost", async () => {
  await using server = await startBreakableVault();
  const { calls, vault } = server;
  await calls.seal();
  for (const transport of server.transports) {
    const over = new SealCalls(transport, vault.rootToken);
    await over.offer(vault.shares[0] as string);
    await over.ask("seals.unseal", { key: vault.shares[1] as string }, `second-${transport.name}`);
    server.break();
    const { code, value } = await over.ask("seals.unseal", { key: vault.shares[2] as string });
    assert.ok(["audit_unavailable", "storage_unavailable"].includes(code), code);
    assert.deepEqual(value, {});
    assert.equal((await over.status())["state"], "sealed");
    assert.equal((await over.asRoot("keys.list")).code, "sealed");
    server.repair();
  }
  await calls.unseal(vault.shares.slice(0, 3));
  const { entries } = await readTrail(server.transports[0], vault.rootToken);
  for (const requestId of ["second-rest", "second-grpc"]) {
    assert.equal(entries.filter(({ request_id }) => request_id === requestId).length, 1, requestId);
  }
});

test("CVE-2026-115357 an opening whose record was written though the store said otherwise leaves the vault sealed, and sound", async () => {
  await using server = await startBreakableVault();
  const { calls, vault } = server;
  await calls.asRoot("secrets.put", { name: "kept", value: "value" });
  await calls.seal();
  server.store.afterCommit = () => {
    throw new StoreUnavailable("broken by the test");
  };
  await calls.offer(vault.shares[0] as string);
  await calls.offer(vault.shares[1] as string);
  assert.ok((await calls.offer(vault.shares[2] as string)).code.endsWith("_unavailable"));
  assert.equal((await calls.asRoot("keys.list")).code, "sealed");
  server.repair();
  await calls.unseal(vault.shares.slice(0, 3));
  assert.equal((await calls.asRoot("secrets.get", { name: "kept" })).value["value"], "value");
});

test("CVE-2026-115357 REQ-05 a root token whose making cannot be recorded is none, and the attempt is over", async () => {
  await using server = await startBreakableVault();
  const { calls, vault } = server;
  const tokens = async () => ((await calls.asRoot("tokens.list")).value["tokens"] as unknown[]).length;
  assert.equal(await tokens(), 1);
  const begun = await calls.ask("seals.generate_root_token", { key: vault.shares[0] as string });
  const attempt = begun.value["attempt"] as string;
  await calls.ask("seals.generate_root_token", { key: vault.shares[1] as string, attempt });
  server.break();
  const last = await calls.ask("seals.generate_root_token", { key: vault.shares[2] as string, attempt });
  assert.ok(last.code.endsWith("_unavailable"), last.code);
  assert.deepEqual(last.value, {});
  server.repair();
  assert.equal(await tokens(), 1);
  const late = await calls.ask("seals.generate_root_token", { key: vault.shares[3] as string, attempt });
  assert.equal(late.code, "invalid_request");
});

test("CVE-2026-115357 REQ-05 a sealing that cannot be recorded did not happen, and the vault goes on", async () => {
  await using server = await startBreakableVault();
  const { calls, vault } = server;
  server.break();
  for (const transport of server.transports) {
    const over = new SealCalls(transport, vault.rootToken);
    const answers = await Promise.all([over.asRoot("seals.seal"), over.asRoot("seals.seal")]);
    for (const { code } of answers) {
      assert.ok(code.endsWith("_unavailable"), code);
    }
    assert.equal((await over.status())["state"], "unsealed");
  }
  server.repair();
  assert.equal((await calls.asRoot("secrets.put", { name: "kept", value: "value" })).code, "ok");
  await calls.seal();
  await calls.unseal(vault.shares.slice(2));
  assert.equal((await calls.asRoot("secrets.get", { name: "kept" })).value["value"], "value");
});
