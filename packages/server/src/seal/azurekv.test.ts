import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { type CannedAnswer, findClosedPort, startCannedServer } from "../../../../test/harness/canned-server.ts";
import { failure, startKeyVault, VAULT_TOKEN } from "../../../../test/harness/key-vault.ts";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { type AzurekvParts, azurekvSeal } from "./azurekv.ts";
import { assertOpens, assertRejects, assertUnavailable, noAbort, sealConformance } from "./conformance.ts";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";

const CONTEXT = Buffer.from("a slot");

const folder = mkdtempSync(join(tmpdir(), "bunkms-azurekv-"));
const authority = await makeAuthority(folder);
const files = await authority.issue("vault");
const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8"), ca: authority.pem };
const vault = await startKeyVault(tls);
vault.rotate("root");
vault.rotate("other");
const credential = { getToken: async () => ({ token: VAULT_TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }) };

afterEach(() => {
  vault.instead = undefined;
  vault.attributes = {};
});
after(async () => {
  await vault.close();
  rmSync(folder, { recursive: true });
});

const open = (name: string, parts: AzurekvParts = {}): Promise<Seal> =>
  azurekvSeal({ keyId: `${vault.url}/keys/${name}` }, { agent: vault.agent, credential, timeoutMs: 5_000, ...parts });

sealConformance("azurekv", { open: () => open("root"), openOther: () => open("other") });

/** Lets the version be found, and answers what follows as told, in turn; the last answer again and again. */
function answerCalls(...answers: readonly CannedAnswer[]): () => number {
  let count = 0;
  vault.instead = ({ method }) => (method === "GET" ? undefined : answers[Math.min(count++, answers.length - 1)]);
  return () => count;
}

test("the version that wrapped is recorded, and opens after the key was rotated", async () => {
  vault.rotate("turning");
  const seal = await open("turning");
  const rootKey = randomBytes(32);
  const wrapped = await seal.wrap(rootKey, CONTEXT, noAbort());
  vault.rotate("turning");
  const start = vault.asked.length;
  assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
  await assertOpens(seal);
  assert.deepEqual(vault.asked.slice(start), [
    "GET /keys/turning/1",
    "POST /keys/turning/1/unwrapkey",
    "GET /keys/turning/",
    "POST /keys/turning/2/wrapkey",
    "GET /keys/turning/2",
    "POST /keys/turning/2/unwrapkey",
  ]);
  const first = await open("turning/1");
  await assertOpens(first);
  assert.equal(vault.asked.at(-1), "POST /keys/turning/1/unwrapkey");
  await Promise.all([seal.close(), first.close()]);
});

test("no other vault and no other key is asked, whatever the slot names", async () => {
  const other = await open("other");
  const wrapped = await other.wrap(randomBytes(32), CONTEXT, noAbort());
  const seal = await open("root");
  const asked = vault.asked.length;
  await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /another key/);
  const elsewhere = Buffer.from(wrapped.toString("latin1").replace("https://unit.", "https://evil."), "latin1");
  await assertRejects(other.unwrap(elsewhere, CONTEXT, noAbort()), SealFailure, /another key/);
  assert.equal(vault.asked.length, asked);
  await Promise.all([seal.close(), other.close()]);
});

for (const [answer, text] of [
  [failure(403, "KeyDisabled"), /is disabled/],
  [failure(403, "ForbiddenByRbac", `secret ${VAULT_TOKEN}`), /refuses the credentials/],
  [failure(409, "ObjectIsDeletedButRecoverable"), /deleted, but can be recovered/],
  [failure(404, "KeyNotFound"), /does not exist/],
  [failure(400, "BadParameter"), /does not wrap/],
  [{ status: 401 }, /refuses the credentials/],
  [{ status: 307, headers: { location: "https://elsewhere.invalid/" } }, /redirect/],
  [{ status: 200, body: "{not json" }, /none of its own/],
  [{ status: 200, body: {} }, /none of its own/],
  [{ status: 200, body: { value: "" } }, /none of its own/],
  [{ status: 418, body: {} }, /none of its own \(418\)/],
  [{ status: 200, body: { value: "A".repeat(100_000) } }, /too large/],
] satisfies [CannedAnswer, RegExp][]) {
  test(`the answer ${JSON.stringify(answer).slice(0, 80)} is ${text}`, async () => {
    answerCalls(answer);
    const seal = await open("root");
    const error = await assertUnavailable(seal, text);
    assert.equal(`${error.message}${error.stack}`.includes(VAULT_TOKEN), false);
    await seal.close();
  });
}

test("a key that is disabled, not active yet or expired is named with its state", async () => {
  const seal = await open("root");
  const hour = Math.floor(Date.now() / 1000) + 3_600;
  for (const [attributes, text] of [
    [{ enabled: false }, /is disabled/],
    [{ nbf: hour }, /not active yet/],
    [{ exp: hour - 7_200 }, /has expired/],
  ] as const) {
    vault.attributes = attributes;
    await assertUnavailable(seal, text);
  }
  await seal.close();
});

test("a first failure that may pass is tried once more, not oftener", async () => {
  const seal = await open("root");
  for (const answer of [{ status: 429, headers: { "retry-after": "60" } }, { status: 500 }, { status: 503 }]) {
    const count = answerCalls(answer);
    await assertUnavailable(seal, /takes no more calls|fails \(50/);
    assert.equal(count(), 2);
    let isFirst = true;
    vault.instead = ({ method }) => {
      const fails = method === "POST" && isFirst;
      isFirst &&= method !== "POST";
      return fails ? answer : undefined;
    };
    await assertOpens(seal);
  }
  await seal.close();
});

test("a service that hangs, one that is down, and one whose certificate is of an unknown authority", async () => {
  const seal = await open("root", { timeoutMs: 300 });
  vault.instead = () => "hang";
  await assertUnavailable(seal, /did not answer within 0.3 seconds/);
  const keyId = `https://127.0.0.1:${await findClosedPort()}/keys/root`;
  const down = await azurekvSeal({ keyId }, { credential });
  await assertUnavailable(down, /cannot be reached \(ECONNREFUSED\)/);
  const suspicious = new Agent({ servername: "localhost", lookup: vault.agent.options.lookup });
  const foreign = await open("root", { agent: suspicious });
  await assertUnavailable(foreign, /cannot be reached \([A-Z_]+\)/);
  suspicious.destroy();
  await Promise.all([seal.close(), down.close(), foreign.close()]);
});

test("a vault that asks for a token of somebody else gets none, and neither does a redirect's target", async () => {
  const seen: unknown[] = [];
  const challenge = 'Bearer authorization="https://login.example.com/t", resource="https://example.com"';
  const server = await startCannedServer(({ headers, path }) => {
    seen.push(headers.authorization);
    return path.startsWith("/keys/moved")
      ? { status: 307, headers: { location: `${vault.url}/keys/root` } }
      : { status: 401, headers: { "www-authenticate": challenge } };
  }, tls);
  for (const [name, text] of [
    ["root", /Azure Key Vault/],
    ["moved", /redirect/],
  ] as const) {
    const keyId = `https://unit.vault.azure.net:${server.port}/keys/${name}`;
    const seal = await azurekvSeal({ keyId }, { credential, agent: vault.agent });
    await assertUnavailable(seal, text);
    await seal.close();
  }
  assert.deepEqual(new Set(seen), new Set([undefined]));
  await server.close();
});

test("without credentials it says where to look", async () => {
  process.env["AZURE_TOKEN_CREDENTIALS"] = "EnvironmentCredential";
  const { credential: _, ...parts } = { agent: vault.agent, credential };
  const seal = await azurekvSeal({ keyId: `${vault.url}/keys/root` }, parts);
  await assertUnavailable(seal, /DefaultAzureCredential/);
  await seal.close();
});

test("wrong options are refused before anything is loaded", async () => {
  const load = () => assert.fail("loaded");
  for (const [keyId, text] of [
    ["", /is not an address/],
    ["http://unit.vault.azure.net/keys/root", /https/],
    ["http://127.0.0.1/keys/root", /must be https/],
    ["https://unit.vault.azure.net/secrets/root", /must be https/],
    [`https://${"v".repeat(200)}.vault.azure.net/keys/${"k".repeat(100)}`, /must be https/],
    ["https://unit.vault.azure.net/keys/root/1/2", /must be https/],
    ["https://user:secret@unit.vault.azure.net/keys/root", /an address alone/],
    ["https://unit.vault.azure.net/keys/root?x=secret", /an address alone/],
  ] as const) {
    await assertRejects(azurekvSeal({ keyId }, { load }), SealFailure, text, ["secret@", "x=secret"]);
  }
});

test("without the SDK it says what to install", async () => {
  const load = () => import("@bunkms/none" as string);
  await assertRejects(
    azurekvSeal({ keyId: `${vault.url}/keys/root` }, { load }),
    SealUnavailable,
    /npm install @azure\/keyvault-keys @azure\/identity/,
  );
});
