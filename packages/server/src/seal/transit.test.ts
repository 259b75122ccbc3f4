import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type CannedAnswer, findClosedPort, startCannedServer } from "../../../../test/harness/canned-server.ts";
import { startServer } from "../../../../test/harness/server.ts";
import { startOpenBao, startStandInVault } from "../../../../test/harness/vault.ts";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { assertOpens, assertRejects, assertUnavailable, noAbort, sealConformance } from "./conformance.ts";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";
import { type TransitOptions, transitSeal } from "./transit.ts";
import { tokenFromFile } from "./transit-token.ts";

const CONTEXT = Buffer.from("a slot");

const folder = mkdtempSync(join(tmpdir(), "bunkms-transit-"));
const authority = await makeAuthority(folder);
const files = await authority.issue("vault");
const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };

const [openBao, standIn, bunkms] = await Promise.all([startOpenBao(), startStandInVault(), startServer()]);
const { token } = standIn;
const bunkmsCall = async (method: string, path: string, body?: object): Promise<Record<string, string>> => {
  const headers = { authorization: `Bearer ${bunkms.rootToken}`, "content-type": "application/json" };
  const response = await fetch(bunkms.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return (await response.json()) as Record<string, string>;
};
for (const key of ["root", "other"]) {
  await openBao.call("POST", `/v1/transit/keys/${key}`, { type: "aes256-gcm96" });
  await standIn.call("POST", `/v1/transit/keys/${key}`, {});
  await bunkmsCall("POST", "/v1/keys", { name: key });
}

afterEach(() => {
  standIn.instead = undefined;
});
after(async () => {
  await Promise.all([openBao.close(), standIn.close(), bunkms.remove()]);
  rmSync(folder, { recursive: true });
});

const reading = (text: string) => async () => text;
const openOpenBao = (key = "root"): Promise<Seal> =>
  transitSeal({ address: openBao.url, key, readToken: reading(openBao.token) });
const openBunkms = (key = "root"): Promise<Seal> =>
  transitSeal({ address: bunkms.url, dialect: "bunkms", key, readToken: reading(bunkms.rootToken) });
const openStandIn = (options: Partial<TransitOptions> = {}, timeoutMs = 5_000): Promise<Seal> =>
  transitSeal({ address: standIn.url, key: "root", readToken: reading(token), ...options }, { timeoutMs });

sealConformance("transit", { open: openOpenBao, openOther: () => openOpenBao("other"), at: "OpenBao" });
sealConformance("transit", {
  open: () => openStandIn(),
  openOther: () => openStandIn({ key: "other" }),
  at: "a stand-in",
});
sealConformance("transit", { open: openBunkms, openOther: () => openBunkms("other"), at: "another BunKMS" });

test("OpenBao's own refusals: no key, no mount, an old version, a key without associated data, a token that may not", async () => {
  const call = (path: string, body: object) => openBao.call("POST", path, body);
  const seal = async (options: Partial<TransitOptions>): Promise<Seal> =>
    transitSeal({ address: openBao.url, key: "root", readToken: reading(openBao.token), ...options });
  await call("/v1/transit/keys/turning", { type: "aes256-gcm96" });
  const turning = await seal({ key: "turning" });
  const rootKey = randomBytes(32);
  const wrapped = await turning.wrap(rootKey, CONTEXT, noAbort());
  await call("/v1/transit/keys/turning/rotate", {});
  assert.deepEqual(await turning.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
  await call("/v1/transit/keys/turning/config", { min_decryption_version: 2 });
  await assertRejects(turning.unwrap(wrapped, CONTEXT, noAbort()), SealUnavailable, /min_decryption_version/);
  await call("/v1/transit/keys/rsa", { type: "rsa-2048" });
  await call("/v1/sys/policies/acl/encrypt", {
    policy: 'path "transit/encrypt/+" { capabilities = ["update"] }',
  });
  const created = (await call("/v1/auth/token/create", { policies: ["encrypt"], ttl: "1h" })) as {
    readonly auth: { readonly client_token: string };
  };
  const limited = created.auth.client_token;
  const half = await seal({ readToken: reading(limited) });
  const own = await half.wrap(rootKey, CONTEXT, noAbort());
  await assertRejects(half.unwrap(own, CONTEXT, noAbort()), SealUnavailable, /refuses the credentials/, [limited]);
  for (const [options, text] of [
    // To encrypt with a key that is not there is to create it, which the least policy does not allow.
    [{ key: "none", readToken: reading(limited) }, /refuses the credentials.*whether the key exists/],
    [{ mount: "none" }, /mount does not exist/],
    [{ key: "rsa" }, /takes no associated data/],
    [{ readToken: reading("wrong") }, /refuses the credentials/],
  ] satisfies [Partial<TransitOptions>, RegExp][]) {
    const wrong = await seal(options);
    await assertUnavailable(wrong, text);
    await wrong.close();
  }
  await Promise.all([turning.close(), half.close()]);
});

test("a slot of another key or mount is refused without a call", async () => {
  const other = await openStandIn({ key: "other" });
  const wrapped = await other.wrap(randomBytes(32), CONTEXT, noAbort());
  const seal = await openStandIn();
  const asked = standIn.requests.length;
  await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /another key/);
  assert.equal(standIn.requests.slice(asked).filter(({ path }) => path.includes("decrypt")).length, 0);
  await Promise.all([seal.close(), other.close()]);
});

test("another BunKMS: a key that is disabled or gone, a token that may not, and a rotated key", async () => {
  await bunkmsCall("POST", "/v1/keys", { name: "turning" });
  const seal = await openBunkms("turning");
  const rootKey = randomBytes(32);
  const wrapped = await seal.wrap(rootKey, CONTEXT, noAbort());
  await bunkmsCall("POST", "/v1/keys/turning/rotate");
  assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
  await bunkmsCall("POST", "/v1/keys/turning/disable");
  await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealUnavailable, /turning is disabled/);
  const gone = await openBunkms("none");
  await assertUnavailable(gone, /none does not exist/);
  const { token: reader = "" } = await bunkmsCall("POST", "/v1/tokens", { display_name: "r", role: "reader" });
  for (const wrong of [reader, `${reader}x`]) {
    const options = { address: bunkms.url, dialect: "bunkms", key: "root", readToken: reading(wrong) } as const;
    const refused = await transitSeal(options);
    await assertRejects(
      refused.wrap(randomBytes(32), CONTEXT, noAbort()),
      SealUnavailable,
      /BunKMS refuses the credentials/,
      [wrong, bunkms.rootToken],
    );
    await refused.close();
  }
  await Promise.all([seal.close(), gone.close()]);
});

test("Vault is told the key's mount, the namespace and the context", async () => {
  const seal = await openStandIn({ namespace: "team/a" });
  await assertOpens(seal);
  const request = standIn.requests.find(({ headers }) => headers["x-vault-namespace"] === "team/a");
  assert.equal(request?.path, "/v1/transit/encrypt/root");
  assert.equal(request?.headers["x-vault-token"], token);
  const body = JSON.parse(request?.body.toString("utf8") ?? "") as Record<string, string>;
  assert.deepEqual(Object.keys(body), ["plaintext", "associated_data"]);
  await seal.close();
});

for (const [answer, text] of [
  [{ status: 403, body: { errors: [`permission denied for ${token}`] } }, /refuses the credentials/],
  [{ status: 404, body: { errors: [] } }, /mount does not exist/],
  [{ status: 400, body: { errors: ["encryption key not found"] } }, /transit\/root does not exist/],
  [{ status: 400, body: { errors: ["associated_data not supported"] } }, /takes no associated data/],
  [{ status: 400, body: { errors: [token] } }, /does not wrap/],
  [{ status: 400, body: "bad request" }, /none of its own \(400\)/],
  [{ status: 307, headers: { location: "https://elsewhere.invalid/" } }, /redirect/],
  [{ status: 429 }, /takes no more calls/],
  [{ status: 500 }, /fails \(500\)/],
  [{ status: 503, body: { errors: ["Vault is sealed"] } }, /fails \(503\)/],
  [{ status: 200, body: "{not json" }, /none of its own/],
  [{ status: 200, body: "null" }, /none of its own/],
  [{ status: 200, body: { data: { ciphertext: 1 } } }, /none of its own/],
  [{ status: 200, body: { data: { ciphertext: "x".repeat(3_000) } } }, /none of its own/],
  [{ status: 200, body: "x".repeat(100_000) }, /too large/],
] satisfies [CannedAnswer, RegExp][]) {
  test(`the answer ${JSON.stringify(answer).slice(0, 60).replace(token, "")} is ${text}`, async () => {
    standIn.instead = () => answer;
    const seal = await openStandIn();
    await assertRejects(seal.wrap(randomBytes(32), CONTEXT, noAbort()), SealUnavailable, text, [token]);
    await seal.close();
  });
}

test("a ciphertext that the key's policy no longer opens, and answers that are no slot key", async () => {
  const seal = await openStandIn();
  const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  for (const [body, status, type, text] of [
    [
      { errors: ["ciphertext or signature version is disallowed by policy (too old)"] },
      400,
      SealUnavailable,
      /min_decryption/,
    ],
    [{ data: { plaintext: "no base64!" } }, 200, SealUnavailable, /none of its own/],
    [{ data: {} }, 200, SealUnavailable, /none of its own/],
    [{ data: { plaintext: "AAAA" } }, 200, SealFailure, /no slot key/],
    [{ data: { plaintext: Buffer.alloc(32).toString("base64") } }, 200, SealFailure, /was changed/],
  ] as const) {
    standIn.instead = () => ({ status, body });
    await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), type, text);
  }
  await seal.close();
});

test("a first failure that may pass is tried once more, not oftener", async () => {
  for (const status of [429, 500, 502]) {
    let count = 0;
    standIn.instead = ({ path }) => (path.includes("encrypt") && count++ === 0 ? { status } : undefined);
    const seal = await openStandIn();
    await assertOpens(seal);
    assert.equal(count, 2);
    count = 0;
    standIn.instead = () => {
      count += 1;
      return { status };
    };
    await assertUnavailable(seal, /takes no more calls|fails/);
    assert.equal(count, 2);
    await seal.close();
  }
});

test("a service that hangs, one that is down, and one that redirects", async () => {
  const hanging = await openStandIn({}, 300);
  standIn.instead = () => "hang";
  await assertUnavailable(hanging, /did not answer within 0.3 seconds/);
  const down = await openStandIn({ address: `http://127.0.0.1:${await findClosedPort()}` });
  await assertUnavailable(down, /cannot be reached \(ECONNREFUSED\)/);
  standIn.instead = undefined;
  const asked = standIn.requests.length;
  const server = await startCannedServer(({ path }) => ({ status: 307, headers: { location: standIn.url + path } }));
  const redirected = await openStandIn({ address: server.url });
  await assertUnavailable(redirected, /redirect/);
  assert.equal(standIn.requests.length, asked);
  await Promise.all([hanging.close(), down.close(), redirected.close(), server.close()]);
});

test("TLS: its own authority is trusted when named, and no other", async () => {
  const secure = await startStandInVault(tls);
  const options = { address: secure.url, key: "root", readToken: reading(secure.token) };
  const untrusting = await transitSeal(options);
  await assertUnavailable(untrusting, /cannot be reached \([A-Z_]+\)/);
  assert.equal(secure.requests.length, 0);
  const seal = await transitSeal({ ...options, caFile: authority.path });
  await assertUnavailable(seal, /does not exist/);
  await assertRejects(transitSeal({ ...options, caFile: join(folder, "none") }), SealFailure, /cannot be read/);
  await assertRejects(transitSeal({ ...options, caFile: files.key }), SealFailure, /holds no certificate/);
  await Promise.all([untrusting.close(), seal.close(), secure.close()]);
});

test("a token is renewed at two thirds of its lease, and no more once the seal is closed", async () => {
  const lease = { ttl: 1, isRenewable: true, end: Date.now() + 1_000 };
  standIn.leases.set("hvs.short", lease);
  const renewals = () =>
    standIn.requests.filter(
      ({ path, headers }) => path.endsWith("renew-self") && headers["x-vault-token"] === "hvs.short",
    );
  const seal = await openStandIn({ readToken: reading("hvs.short") });
  await assertOpens(seal);
  await sleep(2_500);
  await assertOpens(seal);
  assert.ok(renewals().length >= 2 && renewals().length <= 4, `${renewals().length} renewals`);
  await seal.close();
  const count = renewals().length;
  await sleep(1_000);
  assert.equal(renewals().length, count);
});

test("a token that cannot be renewed is not, and a failed renewal is tried again", async () => {
  standIn.leases.set("hvs.fixed", { ttl: 1, isRenewable: false, end: Date.now() + 60_000 });
  standIn.leases.set("hvs.shaky", { ttl: 1, isRenewable: true, end: Date.now() + 60_000 });
  const asked = (name: string) =>
    standIn.requests.filter(({ path, headers }) => path.endsWith("renew-self") && headers["x-vault-token"] === name)
      .length;
  const fixed = await openStandIn({ readToken: reading("hvs.fixed") });
  const shaky = await openStandIn({ readToken: reading("hvs.shaky") });
  standIn.instead = ({ path }) => (path.endsWith("renew-self") && asked("hvs.shaky") < 3 ? { status: 500 } : undefined);
  await Promise.all([assertOpens(fixed), assertOpens(shaky)]);
  await sleep(1_800);
  assert.equal(asked("hvs.fixed"), 0);
  assert.ok(asked("hvs.shaky") >= 3, `${asked("hvs.shaky")} renewals`);
  await Promise.all([fixed.close(), shaky.close()]);
});

test("a token file is read again when its token is refused, also by the renewal", async () => {
  const path = join(folder, "token");
  const readToken = tokenFromFile(path);
  const seal = await openStandIn({ readToken });
  await assertUnavailable(seal, /token file cannot be read/);
  writeFileSync(path, "hvs.revoked\n", { mode: 0o600 });
  await assertRejects(seal.wrap(randomBytes(32), CONTEXT, noAbort()), SealUnavailable, /refuses the/, ["hvs.revoked"]);
  writeFileSync(path, "hvs.second\n");
  standIn.leases.set("hvs.second", { ttl: 1, isRenewable: true, end: Date.now() + 60_000 });
  await assertOpens(seal);
  standIn.leases.delete("hvs.second");
  standIn.leases.set("hvs.third", { ttl: 60, isRenewable: true, end: Date.now() + 60_000 });
  writeFileSync(path, "hvs.third\n");
  await sleep(1_200);
  assert.equal(standIn.requests.at(-1)?.path, "/v1/auth/token/lookup-self");
  assert.equal(standIn.requests.at(-1)?.headers["x-vault-token"], "hvs.third");
  await assertOpens(seal);
  for (const bad of ["", "two words", "line\nline", "x".repeat(9_000)]) {
    writeFileSync(path, bad);
    const other = await openStandIn({ readToken });
    await assertUnavailable(other, /is empty, or no token/);
    await other.close();
  }
  await seal.close();
});

test("wrong options are refused", async () => {
  const right = { address: "https://vault.example.com:8200", key: "root", readToken: reading("x") };
  for (const [wrong, text] of [
    [{ address: "http://vault.example.com" }, /https/],
    [{ address: "vault.example.com" }, /https|address/],
    [{ address: "https://x:secret@vault.example.com" }, /an address alone/],
    [{ key: "@alias" }, /key must be/],
    [{ key: "../sys/seal" }, /key must be/],
    [{ key: "a?b" }, /key must be/],
    [{ mount: "../sys" }, /mount must be/],
    [{ mount: "a//b" }, /mount must be/],
    [{ mount: `${"m".repeat(120)}/${"m".repeat(120)}`, key: "k".repeat(60) }, /too long/],
    [{ namespace: "a\r\nx: y" }, /namespace must be/],
  ] as const) {
    await assertRejects(transitSeal({ ...right, ...wrong }), SealFailure, text, ["secret"]);
  }
});
