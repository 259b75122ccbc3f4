import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { auditEntries, LOG_NAME, until } from "../../../../../test/harness/audit-entries.ts";
import { findClosedPort } from "../../../../../test/harness/canned-server.ts";
import { type SyslogMessage, startSyslogReceiver } from "../../../../../test/harness/syslog-receiver.ts";
import { makeAuthority } from "../../../../../test/requirements/certificates.ts";
import { trusting } from "../../remote/secure-context.ts";
import { DeliveryFailed, type SinkEntry } from "./sink.ts";
import { SyslogSink, type SyslogSinkOptions } from "./syslog.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-audit-syslog-"));
after(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;

function sinkFor(port: number, options: Partial<SyslogSinkOptions> = {}): SyslogSink {
  return new SyslogSink({ host: "127.0.0.1", port, isTls: false, origin: LOG_NAME, ...options });
}

/** A receiver that ends with the test. */
async function receive(t: TestContext, tls?: { readonly cert: string; readonly key: string }) {
  const receiver = await startSyslogReceiver(0, tls);
  t.after(() => receiver.close());
  return receiver;
}

async function refused(work: Promise<void>, text: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof DeliveryFailed, String(error));
    assert.match(error.message, text);
    return true;
  });
}

/** The entry of a message, by its bytes. */
function entryOf({ message, data }: SyslogMessage): SinkEntry {
  const { index } = JSON.parse(message.toString());
  assert.equal(data["bunkms@32473"]?.["index"], String(index));
  return { index, bytes: message.subarray(`{"index":${index},"entry":`.length, -1) };
}

test("each entry is a message of RFC 5424 with its index, from which its bytes are taken as they are", async (t) => {
  const receiver = await receive(t);
  const entries = auditEntries(0, 10);
  await sinkFor(receiver.port).deliver(entries, never);
  assert.deepEqual(receiver.faults, []);
  assert.deepEqual(receiver.messages.map(entryOf), entries);
  const [first, second] = receiver.messages as [SyslogMessage, SyslogMessage];
  assert.equal(first.priority, 13 * 8 + 6);
  assert.equal(receiver.messages[4]?.priority, 13 * 8 + 5);
  assert.equal(receiver.messages[6]?.priority, 13 * 8 + 2, "critical");
  assert.equal(first.timestamp, new Date(1_764_000_000_000).toISOString());
  assert.deepEqual([first.appName, first.procId, first.msgId], ["bunkms", String(process.pid), "keys.encrypt"]);
  assert.deepEqual(first.data, { "bunkms@32473": { index: "0", log: LOG_NAME } });
  assert.deepEqual([first.hasMark, second.hasMark], [true, false], "only what is not ASCII is marked as UTF-8");
});

test("over TLS the receiver's certificate is checked", async (t) => {
  const authority = await makeAuthority(folder);
  const files = await authority.issue("receiver");
  const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };
  const receiver = await receive(t, tls);
  const entries = auditEntries(0, 700);
  await sinkFor(receiver.port, { isTls: true, tls: trusting(authority.pem) }).deliver(entries, never);
  await sinkFor(receiver.port, { isTls: true, tls: trusting(authority.pem), host: "localhost" }).deliver(
    entries,
    never,
  );
  assert.deepEqual(receiver.messages.map(entryOf), [...entries, ...entries]);

  const stranger = await makeAuthority(folder, "stranger");
  await refused(
    sinkFor(receiver.port, { isTls: true, tls: trusting(stranger.pem) }).deliver(entries, never),
    /UNABLE_TO_VERIFY|SELF_SIGNED|CERT_/,
  );
  await refused(sinkFor(receiver.port, { isTls: true }).deliver(entries, never), /UNABLE_TO_|SELF_SIGNED|CERT_/);
  const other = await makeNamed(authority, "elsewhere.example");
  const wrong = await receive(t, other);
  const misnamed = sinkFor(wrong.port, { isTls: true, tls: trusting(authority.pem) });
  await refused(misnamed.deliver(entries, never), /ALTNAME|broke off/);
  assert.equal(wrong.messages.length, 0);
  const plain = await receive(t);
  await refused(
    sinkFor(plain.port, { isTls: true, tls: trusting(authority.pem), timeoutMs: 500 }).deliver(entries, never),
    /./,
  );
  assert.equal(plain.messages.length, 0);
  assert.equal(receiver.messages.length, 1400);
});

/** A certificate that is valid for another host alone. */
async function makeNamed(authority: Awaited<ReturnType<typeof makeAuthority>>, host: string) {
  const [cert, key] = [join(folder, "other.pem"), join(folder, "other.key")];
  const ca = ["-CA", authority.path, "-CAkey", authority.path.replace(/pem$/, "key")];
  const names = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  const output = ["-nodes", "-keyout", key, "-out", cert, "-days", "1"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", ...output, ...names, ...ca],
    { stdio: "ignore" },
  );
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** Passes bytes on to a port of loopback, those to it after the first from a while on: as one that is busy reads them. */
async function startBusyRelay(t: TestContext, port: number, busyMs: number): Promise<number> {
  const relay = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    near.once("data", (hello: Buffer) => {
      far.write(hello);
      near.pause();
      setTimeout(() => near.pipe(far), busyMs);
    });
    far.pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  await once(relay.listen(0, "127.0.0.1"), "listening");
  t.after(() => relay.close());
  return (relay.address() as AddressInfo).port;
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`over ${maxVersion} one that refuses this side after the handshake, late and without an alert, has read nothing`, async (t) => {
    const authority = await makeAuthority(folder);
    const { cert, key } = await authority.issue("receiver");
    let count = 0;
    const tls = { cert: readFileSync(cert), key: readFileSync(key), maxVersion };
    const receiver = createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, (socket) => {
      assert.ok(!socket.authorized);
      count += 1;
      socket.destroy();
    });
    await once(receiver.listen(0, "127.0.0.1"), "listening");
    t.after(() => receiver.close());
    const port = await startBusyRelay(t, (receiver.address() as AddressInfo).port, 150);
    const sink = sinkFor(port, { isTls: true, tls: trusting(authority.pem) });
    // Few bytes: with them in one piece the end is one in order, not a reset.
    await refused(sink.deliver(auditEntries(0, 3), never), /broke off|ECONNRESET|EPIPE/);
    assert.equal(count, 1);
  });
}

test("a receiver that gives no session tickets is sent its entries a moment later", async (t) => {
  const authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue("receiver");
  const port = await findClosedPort();
  const options = ["-accept", `127.0.0.1:${port}`, "-cert", cert, "-key", key, "-num_tickets", "0", "-quiet"];
  const receiver = spawn("openssl", ["s_server", "-tls1_3", ...options], { stdio: ["pipe", "pipe", "ignore"] });
  t.after(() => receiver.kill());
  let text = "";
  receiver.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const sink = sinkFor(port, { isTls: true, tls: trusting(authority.pem) });
  await until(() => isListening(port), "the receiver");
  const start = performance.now();
  await sink.deliver(auditEntries(7, 1), never);
  assert.ok(performance.now() - start >= 250);
  await until(() => text.includes('{"index":7,'), "the entry");
});

/** Whether somebody takes connections. */
async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isThere = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isThere;
}

test("a receiver that is not there, resets, ends first or never ends is a failure", async (t) => {
  const entries = auditEntries(0, 50);
  await refused(sinkFor(await findClosedPort()).deliver(entries, never), /ECONNREFUSED/);
  const receiver = await receive(t);
  for (const [manner, text] of [
    ["resets", /ECONNRESET|EPIPE|broke off/],
    ["ends at once", /broke off|EPIPE|ECONNRESET/],
    ["never ends", /did not end within 0.3 s/],
  ] as const) {
    receiver.manner = manner;
    await refused(sinkFor(receiver.port, { timeoutMs: 300 }).deliver(entries, never), text);
  }
  receiver.manner = "reads";
  await sinkFor(receiver.port).deliver(entries, never);
});

test("a delivery that is broken off ends at once, with the reason", async (t) => {
  const receiver = await receive(t);
  receiver.manner = "never ends";
  const controller = new AbortController();
  const delivery = sinkFor(receiver.port).deliver(auditEntries(0, 1), controller.signal);
  setTimeout(() => controller.abort(new Error("enough")), 50);
  await assert.rejects(delivery, /enough/);
});
