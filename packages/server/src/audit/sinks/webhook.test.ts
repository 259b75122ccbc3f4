import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { auditEntries, LOG_NAME, until } from "../../../../../test/harness/audit-entries.ts";
import {
  type CannedAnswer,
  type CannedRequest,
  type CannedServer,
  startCannedServer,
} from "../../../../../test/harness/canned-server.ts";
import { watchWipes } from "../../../../../test/harness/watched-wipes.ts";
import { makeAuthority } from "../../../../../test/requirements/certificates.ts";
import { trusting } from "../../remote/secure-context.ts";
import { Feeder } from "./feeder.ts";
import { DeliveryFailed, type Failure, MAX_BATCH_ENTRIES } from "./sink.ts";
import { WebhookSink } from "./webhook.ts";
import { parseWebhookSecrets } from "./webhook-secrets.ts";

const never = new AbortController().signal;
const SECRET = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const NEXT = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;

function sinkFor(address: string, secrets = SECRET, timeoutMs = 300): WebhookSink {
  return new WebhookSink({ address, readSecrets: () => Buffer.from(secrets), origin: LOG_NAME, timeoutMs });
}

/** As a receiver would, with the standard's own library. */
function verify(secret: string, { headers, body }: CannedRequest): unknown {
  return new Webhook(secret).verify(body.toString(), headers as Record<string, string>);
}

async function withAnswer(answer: CannedAnswer, use: (server: CannedServer) => Promise<void>): Promise<void> {
  const server = await startCannedServer(() => answer);
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

test("a batch verifies with the library of Standard Webhooks, and has the entries' bytes", () =>
  withAnswer({ status: 204 }, async (server) => {
    const sink = sinkFor(`${server.url}/hook/`);
    const entries = auditEntries(3, 12);
    await sink.deliver(entries, never);
    await sink.deliver(entries, never);
    await sink.close();
    const [request, again] = server.requests as [CannedRequest, CannedRequest];
    assert.equal(request.path, "/hook/");
    const payload = verify(SECRET, request) as {
      type: string;
      timestamp: string;
      data: { log: string; entries: { index: number; entry: string }[] };
    };
    assert.equal(payload.type, "bunkms.audit.entries");
    assert.ok(Math.abs(Date.parse(payload.timestamp) - Date.now()) < 10_000);
    assert.equal(payload.data.log, LOG_NAME);
    assert.deepEqual(
      payload.data.entries.map(({ index, entry }) => ({ index, bytes: Buffer.from(entry) })),
      entries,
    );
    assert.equal(request.headers["webhook-id"], `${LOG_NAME.replaceAll("/", "-")}-3-14`);
    assert.equal(again.headers["webhook-id"], request.headers["webhook-id"], "the same batch has the same id");
    assert.throws(() => verify(NEXT, request));
    assert.throws(() =>
      verify(SECRET, { ...request, body: Buffer.from(request.body.toString().replace("app", "apq")) }),
    );
    assert.throws(() => verify(SECRET, { ...request, headers: { ...request.headers, "webhook-id": "other" } }));
  }));

test("the file of secrets and the keys in it are zeroed with each batch, also when it is refused", async (context) => {
  const files: Buffer[] = [];
  const readSecrets = (): Buffer => {
    files.push(Buffer.from(`${SECRET}\n${files.length < 2 ? NEXT : "none"}`));
    return files.at(-1) as Buffer;
  };
  const zeroed = watchWipes(context);
  for (const status of [200, 503]) {
    await withAnswer({ status }, async (server) => {
      const sink = new WebhookSink({ address: server.url, readSecrets, origin: LOG_NAME });
      await sink.deliver(auditEntries(0, 1), never).catch(() => {});
      await sink.close();
    });
  }
  const keys = [1, 2].map((fill) => Buffer.alloc(32, fill).toString("hex"));
  assert.deepEqual(
    zeroed.filter((hex) => keys.includes(hex)),
    [...keys, ...keys],
  );
  await assert.rejects(
    new WebhookSink({ address: "http://127.0.0.1:1", readSecrets, origin: LOG_NAME }).deliver([], never),
    DeliveryFailed,
  );
  assert.equal(files.length, 3);
  assert.ok(files.every((file) => file.every((byte) => byte === 0)));
});

test("with two secrets each batch verifies with either", () =>
  withAnswer({ status: 200 }, async (server) => {
    const sink = sinkFor(server.url, `${SECRET}\n${NEXT}`);
    await sink.deliver(auditEntries(0, 1), never);
    await sink.close();
    const [request] = server.requests as [CannedRequest];
    verify(SECRET, request);
    verify(NEXT, request);
    assert.equal(request.path, "/");
  }));

test("whatever is not a 2xx is a failure, and nothing is asked elsewhere", async () => {
  const elsewhere = await startCannedServer(() => ({ status: 200 }));
  const cases: readonly (readonly [answer: CannedAnswer, text: RegExp, failure: Failure])[] = [
    ...[301, 302, 303, 307, 308].map(
      (status) =>
        [{ status, headers: { location: `${elsewhere.url}/x` } }, /redirect/, { needsMending: true }] as const,
    ),
    [{ status: 500 }, /500/, { needsMending: false }],
    [{ status: 503, headers: { "retry-after": "30" } }, /503/, { needsMending: false, pauseMs: 30_000 }],
    [{ status: 429 }, /429/, { needsMending: false }],
    [{ status: 410 }, /410/, { needsMending: true }],
    [{ status: 401 }, /401/, { needsMending: true }],
    [{ status: 413 }, /413/, { needsMending: true, isTooLarge: true }],
    [{ status: 200, body: Buffer.alloc(1024 * 1024) }, /too large/, {}],
    ["hang", /within 0.3 s/, {}],
  ];
  for (const [answer, text, failure] of cases) {
    await withAnswer(answer, async (server) => {
      const sink = sinkFor(server.url);
      await assert.rejects(sink.deliver(auditEntries(0, 1), never), (error) => {
        assert.ok(error instanceof DeliveryFailed, String(error));
        assert.match(error.message, text);
        assert.deepEqual(error.failure, failure);
        return true;
      });
      await sink.close();
    });
  }
  assert.equal(elsewhere.requests.length, 0);
  await elsewhere.close();
});

test("to a receiver that takes no large bodies for a while batches are small so long, and then large again", async (t) => {
  const entries = auditEntries(0, 12_000);
  const got: { index: number; entry: string }[] = [];
  const sizes: number[] = [];
  const server = await startCannedServer((request) => {
    if (got.length < 1000 && request.body.length > 20_000) {
      return { status: 413 };
    }
    const { data } = verify(SECRET, request) as { data: { entries: typeof got } };
    got.push(...data.entries);
    sizes.push(data.entries.length);
    return { status: 204 };
  });
  t.after(() => server.close());
  let cursor = 0;
  const feeder = new Feeder({
    sink: sinkFor(server.url, SECRET, 5000),
    source: {
      size: () => entries.length,
      read: async (from, limit) => entries.slice(from, from + limit).map(({ bytes }) => bytes),
    },
    cursors: {
      load: async () => undefined,
      save: async (_, next) => {
        cursor = next;
      },
    },
    from: "beginning",
    tally: { lag: 0, failures: 0, rejected: 0, lastSuccess: 0 },
    onFailing: () => {},
    onRecovered: () => {},
  });
  feeder.start();
  await until(() => cursor === entries.length, "the log");
  await feeder.stop(2000);
  assert.deepEqual(
    got.map(({ index, entry }) => ({ index, bytes: Buffer.from(entry) })),
    entries,
  );
  assert.ok((sizes[0] as number) <= 64, `${sizes[0]}`);
  assert.ok(sizes.includes(MAX_BATCH_ENTRIES), String(sizes));
});

test("over TLS the receiver's certificate is checked, against the given authorities if there are some", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-webhook-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue("receiver");
  const tls = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  const server = await startCannedServer(() => ({ status: 200 }), tls);
  t.after(() => server.close());
  const options = { address: server.url, readSecrets: () => Buffer.from(SECRET), origin: LOG_NAME };
  const sure = new WebhookSink({ ...options, tls: trusting(authority.pem) });
  await sure.deliver(auditEntries(0, 1), never);
  await sure.close();
  const other = new WebhookSink(options);
  await assert.rejects(other.deliver(auditEntries(0, 1), never), /cannot be reached \((UNABLE_TO_|SELF_SIGNED|CERT_)/);
  await other.close();
  assert.equal(server.requests.length, 1);
});

test("secrets have the standard's form and length", () => {
  const of = (length: number) => `whsec_${Buffer.alloc(length, 7).toString("base64")}`;
  assert.deepEqual(parseWebhookSecrets(Buffer.from(`${of(24)}\r\n${of(64)}\n`)), [
    Buffer.alloc(24, 7),
    Buffer.alloc(64, 7),
  ]);
  const bad = [
    "",
    "s3cret",
    of(23),
    of(65),
    of(32).slice(6),
    `${of(32)} `,
    "whsec_!!!!",
    Array(5).fill(of(32)).join("\n"),
  ];
  for (const text of bad) {
    assert.throws(
      () => parseWebhookSecrets(Buffer.from(text)),
      (error) =>
        String(error).startsWith("SecretsRefused: must hold") && (text === "" || !String(error).includes(text)),
      text,
    );
  }
});

test("a secret that cannot be read is a failure, and nothing is sent", () =>
  withAnswer({ status: 200 }, async (server) => {
    const sink = sinkFor(server.url, "nonsense");
    await assert.rejects(sink.deliver(auditEntries(0, 1), never), /secret cannot be read/);
    assert.equal(server.requests.length, 0);
    await sink.close();
  }));

test("an address without TLS is used on this machine only", () => {
  for (const address of ["http://hooks.example/x", "http://10.0.0.1/", "https://h/?token=x", "file:///etc/passwd"]) {
    assert.throws(() => sinkFor(address), /AddressRefused/);
  }
});
