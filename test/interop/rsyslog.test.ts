import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SyslogSink } from "../../packages/server/src/audit/sinks/syslog.ts";
import { trusting } from "../../packages/server/src/remote/secure-context.ts";
import { auditEntries, LOG_NAME, until } from "../harness/audit-entries.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { type RsyslogLine, startRsyslog } from "../harness/rsyslog.ts";
import { makeAuthority } from "../requirements/certificates.ts";

const never = new AbortController().signal;

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-rsyslog-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function indexOf({ message }: RsyslogLine): number {
  return JSON.parse(message).index;
}

test("rsyslog takes entries over TCP, and has facility, severity, time, structured data and bytes as they were", async (t) => {
  const port = await findClosedPort();
  const rsyslog = await startRsyslog(folderFor(t), port);
  t.after(() => rsyslog.stop());
  const entries = auditEntries(0, 300);
  await new SyslogSink({ host: "127.0.0.1", port, isTls: false, origin: LOG_NAME }).deliver(entries, never);
  await until(() => rsyslog.lines().length >= 300, "the messages");
  for (const [i, line] of rsyslog.lines().entries()) {
    const { index, bytes } = entries[i] as (typeof entries)[number];
    const severity = index % 7 === 6 ? "2" : index % 5 === 4 ? "5" : "6";
    assert.deepEqual([line.facility, line.severity], ["13", severity]);
    assert.equal(Date.parse(line.time), 1_764_000_000_000 + index);
    assert.deepEqual([line.app, line.id], ["bunkms", "keys.encrypt"]);
    assert.equal(line.data, `[bunkms@32473 index="${index}" log="${LOG_NAME}"]`);
    assert.equal(line.message.replace(/^\ufeff/, ""), `{"index":${index},"entry":${bytes}}`);
  }
});

test("rsyslog takes entries over TLS, and what it does not take because it ends comes again", async (t) => {
  const folder = folderFor(t);
  const authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue("rsyslog");
  const tls = { ca: authority.path, cert, key };
  const port = await findClosedPort();
  const place = join(folder, "rsyslog");
  mkdirSync(place);
  let rsyslog = await startRsyslog(place, port, tls);
  t.after(() => rsyslog.stop());
  const sink = new SyslogSink({ host: "localhost", port, isTls: true, tls: trusting(authority.pem), origin: LOG_NAME });
  const entries = auditEntries(0, 4000);
  let next = 0;
  let failures = 0;
  const feeding = (async () => {
    while (next < entries.length) {
      try {
        await sink.deliver(entries.slice(next, next + 200), never);
        next += 200;
      } catch {
        failures += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  })();
  for (const after of [600, 1800, 3000]) {
    await until(() => next >= after, "some batches");
    await rsyslog.stop("SIGTERM");
    rsyslog = await startRsyslog(place, port, tls);
  }
  await feeding;
  const indexes = () =>
    rsyslog.lines().map((line) => indexOf({ ...line, message: line.message.replace(/^\ufeff/, "") }));
  await until(() => new Set(indexes()).size === entries.length, "every entry");
  t.diagnostic(`${failures} deliveries failed, ${indexes().length - entries.length} entries came twice`);
  assert.ok(failures > 0);
});
