import assert from "node:assert/strict";
import { randomBytes, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findClosedPort, startCannedServer } from "../../../../test/harness/canned-server.ts";
import { makeGoogleAccount } from "../../../../test/harness/google-account.ts";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { assertOpens, assertRejects, assertUnavailable, noAbort, sealConformance } from "./conformance.ts";
import { gcpkmsSeal } from "./gcpkms.ts";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";

const RING = "projects/p-1/locations/europe-west3/keyRings/bunkms/cryptoKeys";
const KEY = `${RING}/root`;
const CONTEXT = Buffer.from("a slot");

const folder = mkdtempSync(join(tmpdir(), "bunkms-gcpkms-"));
const authority = await makeAuthority(folder);
const files = await authority.issue("google");
const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };

const account = makeGoogleAccount(folder);
const { privateKey } = account;
Object.assign(process.env, {
  GOOGLE_APPLICATION_CREDENTIALS: account.path,
  // Nobody is asked who is not on this machine.
  METADATA_SERVER_DETECTION: "none",
  // gRPC reads it when it is loaded, so what loads gRPC is loaded below.
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: authority.path,
  // What it would print, plaintexts too, must not be printed.
  GOOGLE_SDK_NODE_LOGGING: "*",
});
const { startGoogleKms } = await import("../../../../test/harness/google-kms.ts");

const printed: string[] = [];
process.stderr.write = ((chunk: string | Uint8Array) => printed.push(String(chunk)) > 0) as typeof process.stderr.write;

type Hooks = Omit<Parameters<typeof startGoogleKms>[0], "tls">;
const hooks: { before?: Hooks["before"]; after?: Hooks["after"] } = {};
const server = await startGoogleKms({
  tls,
  before: (...call) => hooks.before?.(...call),
  after: (answer) => hooks.after?.(answer),
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const open = (keyName = KEY, timeoutMs = 5_000): Promise<Seal> =>
  gcpkmsSeal({ keyName, endpoint: server.url }, { timeoutMs });

sealConformance("gcpkms", { open, openOther: () => open(`${RING}/other`) });

/** Runs `body` with a seal while the service is told to behave otherwise. */
async function withHooks(given: Hooks, body: (seal: Seal) => Promise<void>, timeoutMs?: number): Promise<void> {
  const seal = await open(KEY, timeoutMs);
  Object.assign(hooks, given);
  try {
    await body(seal);
  } finally {
    delete hooks.before;
    delete hooks.after;
    await seal.close();
  }
}

const refusal = (code: number) => Object.assign(new Error("no"), { code, details: `no ${privateKey}` });

test("the service gets the key's name, checksums and a token that the account signed", async () => {
  const seen: unknown[] = [];
  const keyName = `${RING}/asked`;
  const seal = await open(keyName);
  await withHooks(
    {
      before: (method, request, metadata) => {
        if (request["name"] !== keyName) return;
        const [token = ""] = String(metadata.get("authorization")[0]).split(" ").slice(1);
        const [head, claims, signature = ""] = token.split(".");
        const isSigned = verify(
          "sha256",
          Buffer.from(`${head}.${claims}`),
          account.publicKey,
          Buffer.from(signature, "base64url"),
        );
        seen.push([method, request["additionalAuthenticatedDataCrc32c"] != null, isSigned]);
        assert.equal(metadata.get("x-goog-request-params")[0], `name=${encodeURIComponent(keyName)}`);
      },
    },
    () => assertOpens(seal),
  );
  await seal.close();
  assert.deepEqual(seen, [
    ["Encrypt", true, true],
    ["Decrypt", true, true],
  ]);
});

test("a slot of another key is refused without a call", async () => {
  const other = await open(`${RING}/other`);
  const wrapped = await other.wrap(randomBytes(32), CONTEXT, noAbort());
  await other.close();
  await withHooks({ before: () => assert.fail("asked") }, async (seal) => {
    await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /another key/);
  });
});

for (const [code, text] of [
  [3, /does not wrap/],
  [5, /does not exist/],
  [7, /refuses the credentials/],
  [8, /takes no more calls/],
  [9, /is disabled, destroyed/],
  [13, /fails/],
  [14, /cannot be reached/],
  [16, /refuses the credentials/],
] as const) {
  test(`the status ${code} is ${text}`, () =>
    withHooks(
      {
        before: () => {
          throw refusal(code);
        },
      },
      async (seal) => {
        const error = await assertUnavailable(seal, text);
        assert.equal(`${error.message}${error.stack}`.includes(privateKey), false);
      },
    ));
}

test("a first failure that may pass is tried once more, not oftener", async () => {
  for (const [failures, calls] of [
    [1, 2],
    [5, 2],
  ] as const) {
    let count = 0;
    await withHooks(
      {
        before: () => {
          count += 1;
          if (count <= failures) throw refusal(8);
        },
      },
      async (seal) => {
        const wrapping = seal.wrap(randomBytes(32), CONTEXT, noAbort());
        await (failures === 1 ? wrapping : assertRejects(wrapping, SealUnavailable, /takes no more calls/));
      },
    );
    assert.equal(count, calls);
  }
});

test("what was damaged on its way is noticed", async () => {
  for (const damage of [
    { verifiedPlaintextCrc32c: false },
    { verifiedAdditionalAuthenticatedDataCrc32c: false },
    { ciphertextCrc32c: { value: 1 } },
    { ciphertextCrc32c: null },
    { ciphertext: Buffer.alloc(0) },
    { name: `${RING}/other/cryptoKeyVersions/1` },
  ]) {
    await withHooks({ after: (answer) => Object.assign(answer, damage) }, async (seal) => {
      await assertUnavailable(seal, /damaged on its way/);
    });
  }
  const seal = await open();
  const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
  await seal.close();
  for (const damage of [{ plaintextCrc32c: { value: 1 } }, { plaintext: Buffer.alloc(0) }, { plaintextCrc32c: null }]) {
    await withHooks({ after: (answer) => Object.assign(answer, damage) }, async (damaged) => {
      await assertRejects(damaged.unwrap(wrapped, CONTEXT, noAbort()), SealUnavailable, /damaged on its way/);
    });
  }
});

test("an answer that is too large", () =>
  withHooks({ after: (answer) => Object.assign(answer, { ciphertext: Buffer.alloc(100_000) }) }, async (seal) => {
    await assertUnavailable(seal, /too large/);
  }));

test("a service that hangs, one that is down, and one that is not gRPC or redirects", async () => {
  await withHooks(
    { before: () => new Promise(() => {}) },
    async (seal) => {
      await assertUnavailable(seal, /did not answer within 0.3 seconds/);
    },
    300,
  );
  const down = await gcpkmsSeal({ keyName: KEY, endpoint: `https://localhost:${await findClosedPort()}` });
  await assertUnavailable(down, /cannot be reached/);
  await down.close();
  const asked: string[] = [];
  const elsewhere = await startCannedServer(({ path }) => ({ status: asked.push(path) > 0 ? 200 : 500 }), tls);
  const web = await startCannedServer(() => ({ status: 307, headers: { location: elsewhere.url } }), tls);
  const seal = await gcpkmsSeal(
    { keyName: KEY, endpoint: web.url.replace("127.0.0.1", "localhost") },
    { timeoutMs: 1_000 },
  );
  await assertUnavailable(seal, /Google Cloud KMS/);
  assert.deepEqual(asked, []);
  await Promise.all([seal.close(), elsewhere.close(), web.close()]);
});

test("a server whose certificate is of an unknown authority is not asked", async () => {
  const other = mkdtempSync(join(tmpdir(), "bunkms-gcpkms-other-"));
  const pair = await (await makeAuthority(other)).issue("google");
  const asked: string[] = [];
  const foreign = await startGoogleKms({
    tls: { cert: readFileSync(pair.cert, "utf8"), key: readFileSync(pair.key, "utf8") },
    before: (method) => void asked.push(method),
  });
  const seal = await gcpkmsSeal({ keyName: KEY, endpoint: foreign.url }, { timeoutMs: 2_000 });
  await assertUnavailable(seal, /cannot be reached/);
  assert.deepEqual(asked, []);
  await seal.close();
  foreign.close();
  rmSync(other, { recursive: true });
});

test("without credentials it says where to look, and finds them when they come", async () => {
  const seal = await open();
  process.env["GOOGLE_APPLICATION_CREDENTIALS"] = join(folder, "none.json");
  try {
    await assertUnavailable(seal, /Application Default Credentials/);
    await assertUnavailable(seal, /Application Default Credentials/);
  } finally {
    process.env["GOOGLE_APPLICATION_CREDENTIALS"] = account.path;
  }
  await assertOpens(seal);
  await seal.close();
});

test("wrong options are refused before anything is loaded", async () => {
  const load = () => assert.fail("loaded");
  for (const [options, text] of [
    [{ keyName: "" }, /must be projects/],
    [{ keyName: `${KEY}/cryptoKeyVersions/1` }, /must be projects/],
    [{ keyName: `${KEY}\n` }, /must be projects/],
    [
      {
        keyName: `projects/${"p".repeat(64)}/locations/${"l".repeat(64)}/keyRings/${"r".repeat(63)}/cryptoKeys/${"k".repeat(63)}`,
      },
      /must be projects/,
    ],
    [{ keyName: KEY, endpoint: "http://127.0.0.1:1" }, /must be https/],
    [{ keyName: KEY, endpoint: "https://example.com/path" }, /must be https/],
  ] as const) {
    await assertRejects(gcpkmsSeal(options, { load }), SealFailure, text);
  }
});

test("without the library it says what to install", async () => {
  const load = () => import("@bunkms/none" as string);
  await assertRejects(gcpkmsSeal({ keyName: KEY }, { load }), SealUnavailable, /npm install @google-cloud\/kms/);
});

test("neither requests nor answers were printed, whatever Google's own logging is set to", () => {
  assert.match(printed.join(""), /\[kms\|INFO\]/);
  assert.doesNotMatch(printed.join(""), /plaintext|request|response/i);
});
