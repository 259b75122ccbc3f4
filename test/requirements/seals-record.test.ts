import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { bech32 } from "@scure/base";
import type { TestServer } from "../harness/server.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { Canaries } from "./canaries.ts";
import { bothTransports, closeAll, type Transport } from "./operation-call.ts";
import { sendBytes } from "./raw-calls.ts";
import { requestBytes } from "./raw-http.ts";
import { initialise, SealCalls, startUninitialised } from "./shamir-vault.ts";

const canaries = new Canaries();
/** All that can be seen from outside, by where it was seen. */
const seen = new Map<string, Buffer>();
/** What each call was and how it ended, by its request id. */
const sent = new Map<string, { readonly action: string; readonly code: string }>();

let server: TestServer;
let transports: readonly [Transport, Transport];
let trail: readonly TrailEntry[];

/** Makes a vault, seals and opens it, with right and wrong shares of all forms, and looks at everything that is left. */
before(async () => {
  server = await startUninitialised({ args: ["--log-level", "debug"] });
  transports = bothTransports(server);
  await record("seals.unseal", { key: "too early" });
  await record("seals.initialise", { secret_shares: 1, secret_threshold: 2 });
  const vault = await initialise(transports[0]);
  addShares("of the vault", vault.shares, vault.hex);
  canaries.add("root token", Buffer.from(vault.rootToken));
  const calls = new SealCalls(transports[1], vault.rootToken);
  await record("seals.initialise", { secret_shares: 5, secret_threshold: 3 });

  const request = { kind: "shamir", secret_shares: 2, secret_threshold: 2 };
  const added = await calls.asRoot("seals.add_slot", request);
  addShares("of another slot", added.value["shares"] as string[]);
  const share_recipients = [recipient(), recipient()];
  const aged = await calls.asRoot("seals.add_slot", { ...request, share_recipients });
  assert.equal(aged.code, "ok", aged.text);
  for (const [i, file] of (aged.value["shares"] as string[]).entries()) {
    assert.match(file, /^-----BEGIN AGE ENCRYPTED FILE-----/);
    canaries.add(`age file ${i}`, Buffer.from(file.split("\n")[1] as string));
  }

  await makeRootToken(vault.shares);
  assert.equal((await calls.asRoot("seals.seal", {}, "sealing")).code, "ok");
  sent.set("sealing", { action: "seals.seal", code: "ok" });
  await sendWrong(vault.shares);
  await record("seals.initialise", { secret_shares: 5, secret_threshold: 3 });
  await record("seals.generate_root_token", { key: vault.shares[0] as string });
  await record("seals.unseal", { key: vault.base64[0] as string });
  await record("seals.unseal", { key: vault.shares[0] as string });
  await record("seals.unseal", { key: "none" });
  await record("seals.unseal", { key: vault.hex[1] as string });
  await record("seals.unseal", { key: vault.shares[2] as string });
  await sendWrong(vault.shares);
  await makeRootToken(vault.shares);

  trail = (await readTrail(transports[0], vault.rootToken)).entries;
  const metrics = await calls.asRoot("system.metrics");
  seen.set("metrics", Buffer.from(metrics.value["data"] as string, "base64"));
  seen.set("audit entries", Buffer.from(JSON.stringify(trail)));
  for (const name of ["cmdline", "environ"]) {
    seen.set(`process ${name}`, readFileSync(`/proc/${server.pid}/${name}`));
  }
  seeFolder("at work");
  await server.kill();
  seeFolder("after kill -9");
  seen.set("output", Buffer.from(server.output()));
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

/** Calls over one transport after the other, and keeps how it ended. */
async function record(action: string, request: JsonObject): Promise<void> {
  const requestId = `call-${sent.size}`;
  const over = new SealCalls(transports[sent.size % 2] as Transport);
  const { code, text } = await over.ask(action, request, requestId);
  sent.set(requestId, { action, code });
  seen.set(`error of ${requestId}`, Buffer.from(text));
}

function addShares(label: string, shares: readonly string[], hex: readonly string[] = []): void {
  for (const [i, share] of shares.entries()) {
    // Also without what is between the groups, and what remains of it without its head, which names the set alone.
    canaries.add(`share ${i} ${label}`, Buffer.from(share));
    canaries.add(`share ${i} ${label}, bare`, Buffer.from(share.replaceAll("-", "").slice(25)));
    canaries.add(`share ${i} ${label}, capital`, Buffer.from(share.toUpperCase()));
  }
  for (const [i, share] of hex.entries()) {
    const bytes = Buffer.from(share, "hex");
    canaries.add(`share ${i} ${label}, bytes`, bytes);
    canaries.add(`share ${i} ${label}, its secret`, bytes.subarray(-36, -4));
  }
}

function recipient(): string {
  return bech32.encode("age", bech32.toWords(randomBytes(32)), false);
}

async function makeRootToken(shares: readonly string[]): Promise<void> {
  let attempt = "";
  for (const [at, key] of shares.slice(0, 3).entries()) {
    const requestId = `root-${sent.size}`;
    const over = new SealCalls(transports[at % 2] as Transport);
    const { code, value } = await over.ask("seals.generate_root_token", { key, attempt }, requestId);
    sent.set(requestId, { action: "seals.generate_root_token", code });
    attempt = value["attempt"] as string;
    if (at === 2) {
      canaries.add("root token of holders", Buffer.from(value["root_token"] as string));
    }
  }
}

/** Right shares in all wrong places. */
async function sendWrong(shares: readonly string[]): Promise<void> {
  const [share = ""] = shares;
  const target = "/v1/sys/unseal";
  const requests = [
    { method: "POST", target, body: `{"key":"${share}"` },
    { method: "POST", target, body: `{"key":["${share}"]}` },
    { method: "POST", target, body: `{"${share}":1}` },
    { method: "PUT", target, body: `{"key":"x","key":"${share}"}` },
    { method: "POST", target, body: `"${share}"` },
    { method: "POST", target, body: `{"key":"x","reset":"${share}"}` },
    { method: "POST", target: `${target}?key=${share}`, body: "{}" },
    { method: "POST", target: `${target}/${share}`, body: "{}" },
    { method: "GET", target: `/v1/sys/seal-status?key=${share}` },
    { method: "GET", target: `/v1/sys/health?${share}` },
    { method: "POST", target: "/v1/sys/root-token", body: `{"key":"x","attempt":"${share}"}` },
    { method: "POST", target: "/v1/sys/init", body: `{"share_recipients":["${share}"]}` },
    { method: "GET", target: "/v1/sys/slots", token: share },
    { method: "GET", target: "/v1/sys/slots", headers: [`x-vault-token: ${share}`, `x-request-id: ${share} ${share}`] },
  ];
  for (const [i, request] of requests.entries()) {
    seen.set(`answer ${i}`, Buffer.from(await sendBytes(server.url, requestBytes(request).toString("latin1"))));
  }
}

function seeFolder(when: string): void {
  for (const name of readdirSync(server.dataPath, { recursive: true, encoding: "utf8" })) {
    if (statSync(join(server.dataPath, name)).isFile()) {
      seen.set(`${name} ${when}`, readFileSync(join(server.dataPath, name)));
    }
  }
}

test("REQ-32 making, sealing, unsealing, root tokens and what failed of them are in the audit log, each once", () => {
  assert.deepEqual([...new Set([...sent.values()].map(({ code }) => code))].toSorted(), [
    "already_initialised",
    "invalid_request",
    "invalid_share",
    "not_initialised",
    "ok",
    "sealed",
  ]);
  for (const [requestId, { action, code }] of sent) {
    const found = trail.filter(({ request_id }) => request_id === requestId);
    assert.deepEqual(
      found.map(({ operation, outcome }) => [operation, outcome]),
      [[action, code]],
      requestId,
    );
    assert.equal(found[0]?.source_address, "127.0.0.1");
    assert.equal(found[0]?.identity === "", requestId !== "sealing");
  }
  const made = trail.filter(({ operation, outcome }) => operation === "seals.initialise" && outcome === "ok");
  assert.equal(made.length, 1);
  assert.deepEqual(made[0]?.request, { secret_shares: "5", secret_threshold: "3" });
});

test("REQ-06 CVE-2025-4166 CVE-2025-52893 no share, root token or age file is in any log, audit entry, error or file", (t) => {
  const findings = [...seen].flatMap(([where, bytes]) =>
    canaries.findIn(bytes).map((label) => `${label}: in ${where}`),
  );
  t.diagnostic(`${canaries.size} values looked for in ${seen.size} places`);
  assert.deepEqual(findings, []);
  assert.ok(canaries.size > 30 && seen.size > 20);
  assert.ok((seen.get("output")?.length ?? 0) > 3000, "the log was empty: nothing was looked at");
});
