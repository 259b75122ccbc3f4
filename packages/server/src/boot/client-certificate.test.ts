import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { auditEntries, LOG_NAME } from "../../../../test/harness/audit-entries.ts";
import { type ReceiverTls, startCannedServer } from "../../../../test/harness/canned-server.ts";
import { startSyslogReceiver } from "../../../../test/harness/syslog-receiver.ts";
import {
  type Authority,
  type CertificateFiles,
  makeAuthority,
  replaceFile,
} from "../../../../test/requirements/certificates.ts";
import { OtlpSink } from "../audit/sinks/otlp.ts";
import { DeliveryFailed, type Sink } from "../audit/sinks/sink.ts";
import { SyslogSink } from "../audit/sinks/syslog.ts";
import { WebhookSink } from "../audit/sinks/webhook.ts";
import { ConfigError } from "../config/config-error.ts";
import { type ContextSource, trusting } from "../remote/secure-context.ts";
import { ClientCertificate } from "./client-certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-client-certificate-"));
const never = new AbortController().signal;
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
const KINDS = ["syslog", "otlp", "webhook"] as const;

let authority: Authority;
let stranger: Authority;
let first: CertificateFiles;

before(async () => {
  authority = await makeAuthority(folder);
  stranger = await makeAuthority(folder, "stranger");
  first = await authority.issue("first");
});
after(() => rmSync(folder, { recursive: true }));

/** Copies of a pair that a test changes. */
function served({ cert, key }: CertificateFiles): { readonly certPath: string; readonly keyPath: string } {
  const place = mkdtempSync(join(folder, "served-"));
  const files = { certPath: join(place, "client.pem"), keyPath: join(place, "client.key") };
  copyFileSync(cert, files.certPath);
  copyFileSync(key, files.keyPath);
  chmodSync(files.keyPath, 0o600);
  return files;
}

/** A receiver that wants a certificate of the authority, and ends with the test. */
async function startReceiver(t: TestContext, kind: (typeof KINDS)[number], maxVersion: (typeof VERSIONS)[number]) {
  const { cert, key } = await authority.issue(`receiver-${kind}-${maxVersion}`);
  const tls: ReceiverTls = {
    cert: readFileSync(cert, "utf8"),
    key: readFileSync(key, "utf8"),
    clientCa: authority.pem,
    maxVersion,
  };
  if (kind === "syslog") {
    const receiver = await startSyslogReceiver(0, tls);
    t.after(() => receiver.close());
    const sinkFor = (source: ContextSource): Sink =>
      new SyslogSink({ host: "127.0.0.1", port: receiver.port, isTls: true, tls: source, origin: LOG_NAME });
    return { sinkFor, clients: () => receiver.clients, count: () => receiver.messages.length };
  }
  const server = await startCannedServer(() => ({ status: 200, body: {} }), tls);
  t.after(() => server.close());
  const common = { address: server.url, origin: LOG_NAME };
  const sinkFor = (source: ContextSource): Sink =>
    kind === "otlp"
      ? new OtlpSink({ ...common, tls: source, readHeaders: () => ({}), version: "1", onRejected: () => assert.fail() })
      : new WebhookSink({
          ...common,
          tls: source,
          readSecrets: () => Buffer.from(`whsec_${Buffer.alloc(32, 1).toString("base64")}`),
        });
  return {
    sinkFor,
    clients: () => server.requests.map(({ client }) => String(client)),
    count: () => server.requests.length,
  };
}

for (const kind of KINDS) {
  for (const version of VERSIONS) {
    test(`${kind} over ${version}: the certificate is presented and a renewed one is used at once; none and another's are refused`, async (t) => {
      const receiver = await startReceiver(t, kind, version);
      const files = served(first);
      const reports: unknown[] = [];
      const certificate = new ClientCertificate(files, authority.pem, (error) => reports.push(error));
      const sink = receiver.sinkFor(() => certificate.context());
      await sink.deliver(auditEntries(0, 2), never);
      await sink.deliver(auditEntries(2, 2), never);
      const second = await authority.issue("second", "rsa");
      // A batch between the two renames, as it happens.
      await replaceFile(files.certPath, readFileSync(second.cert));
      await sink.deliver(auditEntries(4, 2), never);
      await replaceFile(files.keyPath, readFileSync(second.key));
      await sink.deliver(auditEntries(6, 2), never);
      assert.deepEqual(receiver.clients(), ["first", "first", "first", "second"]);
      assert.equal(reports.length, 1);
      const count = receiver.count();

      const foreign = await stranger.issue("first-of-stranger");
      for (const source of [
        trusting(authority.pem),
        contextOf(new ClientCertificate(served(foreign), authority.pem, fail)),
      ]) {
        const refused = receiver.sinkFor(source);
        await assert.rejects(refused.deliver(auditEntries(0, 2), never), (error) => {
          assert.ok(error instanceof DeliveryFailed, String(error));
          assert.match(error.message, /ERR_SSL_[A-Z0-9_]+|ECONNRESET|EPIPE|EPROTO|broke off/);
          return true;
        });
        await refused.close();
      }
      // The receiver's own certificate is checked all the same.
      const unsure = receiver.sinkFor(contextOf(new ClientCertificate(files, stranger.pem, fail)));
      await assert.rejects(unsure.deliver(auditEntries(0, 1), never), /UNABLE_TO_|SELF_SIGNED|CERT_/);
      await unsure.close();
      assert.equal(receiver.count(), count);
      await sink.close();
    });
  }
}

function fail(error: unknown): never {
  assert.fail(String(error));
}

function contextOf(certificate: ClientCertificate): ContextSource {
  return () => certificate.context();
}

test("files that are no pair are reported once for each reason, and not used; the pair of before goes on", async () => {
  const files = served(first);
  const reports: Error[] = [];
  const certificate = new ClientCertificate(files, undefined, (error) => reports.push(error as Error));
  const context = certificate.context();
  const other = readFileSync((await authority.issue("other")).key);
  const whole = readFileSync(first.cert);
  const steps: readonly (readonly [change: () => void, reason: RegExp])[] = [
    [() => writeFileSync(files.keyPath, other), /not a PEM certificate and the private key/],
    [() => writeFileSync(files.certPath, whole.subarray(0, 300)), /not a PEM certificate/],
    [() => writeFileSync(files.certPath, ""), /not a PEM certificate/],
    [() => writeFileSync(files.keyPath, ""), /not a PEM certificate/],
    [() => chmodSync(files.keyPath, 0o640), /--audit-client-key.*others than its owner/],
    [() => rmSync(files.keyPath), /ENOENT/],
  ];
  for (const [change, reason] of steps) {
    change();
    for (let i = 0; i < 5; i++) {
      assert.equal(certificate.context(), context);
    }
    assert.match(String(reports.at(-1)), reason);
  }
  // The first four have one reason.
  assert.equal(reports.length, 3, String(reports));
  assert.doesNotMatch(inspect(reports, { depth: 9 }), /BEGIN|PRIVATE KEY-/);
  writeFileSync(files.certPath, whole);
  writeFileSync(files.keyPath, readFileSync(first.key), { mode: 0o600 });
  const count = reports.length;
  assert.notEqual(certificate.context(), context);
  assert.equal(certificate.context(), certificate.context());
  assert.equal(reports.length, count);
  // Broken the same way again, it is told again.
  rmSync(files.keyPath);
  certificate.context();
  assert.equal(reports.length, count + 1);
});

test("permissions that were opened later are found although the content is the same", () => {
  const files = served(first);
  const reports: unknown[] = [];
  const certificate = new ClientCertificate(files, undefined, (error) => reports.push(error));
  chmodSync(files.keyPath, 0o644);
  certificate.context();
  assert.match(String(reports), /--audit-client-key.*others than its owner/);
});

test("what is no certificate with its private key is refused by the names of the settings, and nothing of it told", async () => {
  const other = await authority.issue("another");
  const otherKind = await authority.issue("another-kind", "rsa");
  const locked = join(folder, "locked.key");
  execFileSync("openssl", ["pkey", "-in", first.key, "-aes256", "-passout", "pass:canary", "-out", locked]);
  const text = join(folder, "text.key");
  writeFileSync(text, "canary canary canary\n");
  for (const [cert, key] of [
    [first.cert, other.key],
    [first.cert, otherKind.key],
    [first.key, first.cert],
    [first.cert, text],
    [text, first.key],
    [first.cert, locked],
    [authority.path, first.key],
  ] as const) {
    chmodSync(key, 0o600);
    assert.throws(
      () => new ClientCertificate({ certPath: cert, keyPath: key }, undefined, fail),
      (error) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.match(
          error.message,
          /^--audit-client-cert.*--audit-client-key.*: not a PEM certificate and the private key/,
        );
        assert.doesNotMatch(inspect(error, { depth: 9 }), /canary|BEGIN/);
        return true;
      },
    );
  }
});

test("the private key's bytes are zeroed once OpenSSL has them, also of a pair that is not used", async (t) => {
  const files = served(first);
  const alloc = t.mock.method(Buffer, "alloc");
  const certificate = new ClientCertificate(files, undefined, () => undefined);
  writeFileSync(files.keyPath, readFileSync((await authority.issue("zeroed")).key));
  certificate.context();
  chmodSync(files.keyPath, 0o644);
  certificate.context();
  const read = alloc.mock.calls.map(({ result }) => result as Buffer);
  assert.equal(read.filter((bytes) => bytes.includes("BEGIN CERTIFICATE")).length, 3);
  assert.ok(read.every((bytes) => !bytes.includes("PRIVATE")));
  assert.ok(read.filter((bytes) => bytes.length > 0 && bytes.every((byte) => byte === 0)).length >= 3);
});
