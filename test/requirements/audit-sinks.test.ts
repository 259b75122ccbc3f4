/** The audit log's sinks on the real server: nothing is left out whatever goes down, and nobody waits for them. */

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readOperations } from "@bunkms/contract";
import { Frontier, leafHash } from "@bunkms/tlog";
import { Webhook } from "standardwebhooks";
import type { SinkEntry } from "../../packages/server/src/audit/sinks/sink.ts";
import { until } from "../harness/audit-entries.ts";
import { type CannedAnswer, type CannedRequest, findClosedPort, startCannedServer } from "../harness/canned-server.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { type SyslogMessage, startSyslogReceiver } from "../harness/syslog-receiver.ts";
import { makeAuthority, replaceFile } from "./certificates.ts";
import { launchServer } from "./launched-server.ts";
import { operationOf, restTransport } from "./operation-call.ts";
import { initialise, startUninitialised } from "./shamir-vault.ts";

const SECRET = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
/** Each look at the metrics is an entry, too, which the sinks must have got before the next. */
const LOOK_MS = 1_000;
const SINKS = ["file", "syslog", "otlp", "webhook"];

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-sinks-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Calls an operation; at least one entry in the log. */
async function call(server: TestServer, action: string, request: object = {}) {
  const rest = restTransport(server.url);
  try {
    return await rest.call(operationOf(action), request as never, { token: server.rootToken });
  } finally {
    rest.close();
  }
}

/** A metric of each sink. */
async function metricOf(server: TestServer, name: string): Promise<Readonly<Record<string, number>>> {
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.rootToken}` } });
  const lines = (await answer.text()).matchAll(new RegExp(`^${name}\\{sink="([a-z]+)"\\} (\\S+)$`, "gm"));
  return Object.fromEntries([...lines].map(([, sink = "", value]) => [sink, Number(value)]));
}

function fromLine(line: string): SinkEntry {
  const { index } = JSON.parse(line);
  return { index, bytes: Buffer.from(line.slice(`{"index":${index},"entry":`.length, -1)) };
}

function fromMessage({ message }: SyslogMessage): SinkEntry {
  return fromLine(message.toString());
}

function fromOtlp({ body }: CannedRequest): readonly SinkEntry[] {
  return JSON.parse(body.toString()).resourceLogs[0].scopeLogs[0].logRecords.map(
    (record: { body: { stringValue: string }; attributes: { value: { intValue: string } }[] }) => ({
      index: Number(record.attributes[0]?.value.intValue),
      bytes: Buffer.from(record.body.stringValue),
    }),
  );
}

function fromWebhook({ headers, body }: CannedRequest): readonly SinkEntry[] {
  const payload = new Webhook(SECRET).verify(body.toString(), headers as Record<string, string>) as {
    data: { entries: { index: number; entry: string }[] };
  };
  return payload.data.entries.map(({ index, entry }) => ({ index, bytes: Buffer.from(entry) }));
}

/** Drops what came again, as a receiver would, and finds gaps and what is out of order. */
function withoutRepeats(what: string, got: readonly SinkEntry[]): readonly Buffer[] {
  const log: Buffer[] = [];
  for (const { index, bytes } of got) {
    assert.ok(index <= log.length, `${what}: ${index} came when ${log.length} was next`);
    if (index === log.length) {
      log.push(bytes);
    } else {
      assert.deepEqual(bytes, log[index], `${what}: ${index} came again as another`);
    }
  }
  return log;
}

test("SINKS every sink gets the whole log, in order, whatever goes down meanwhile, the server among it", async (t) => {
  const folder = folderFor(t);
  const down = new Set<string>();
  const taken: Record<"otlp" | "webhook", CannedRequest[]> = { otlp: [], webhook: [] };
  const receiver =
    (name: "otlp" | "webhook") =>
    (request: CannedRequest): CannedAnswer => {
      if (down.has(name)) {
        return { status: 503 };
      }
      taken[name].push(request);
      return { status: 200, body: {} };
    };
  const otlp = await startCannedServer(receiver("otlp"));
  const webhook = await startCannedServer(receiver("webhook"));
  t.after(() => Promise.all([otlp.close(), webhook.close()]));
  const port = await findClosedPort();
  let syslog = await startSyslogReceiver(port);
  const messages: SyslogMessage[] = [];
  t.after(() => syslog.close());

  const path = join(folder, "audit.jsonl");
  writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
  const [dataPath, configHome] = [join(folder, "data"), join(folder, "config")];
  const env = {
    BUNKMS_AUDIT_FILE: path,
    BUNKMS_AUDIT_SYSLOG: `tcp://127.0.0.1:${port}`,
    BUNKMS_AUDIT_OTLP: otlp.url,
    BUNKMS_AUDIT_WEBHOOK: `${webhook.url}/hook`,
    BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: join(folder, "secret"),
  };
  const start = () => startServer({ env, dataPath, configHome });
  let server = await start();
  t.after(() => server.remove());
  const calls = async (count: number) => {
    for (let i = 0; i < count; i++) {
      assert.equal((await call(server, "system.random", { bytes: 8 + (i % 8) })).code, "ok");
    }
  };

  await calls(30);
  down.add("webhook");
  messages.push(...syslog.messages);
  await syslog.close();
  await calls(30);
  await until(
    async () => ((await metricOf(server, "bunkms_audit_sink_failures_total"))["webhook"] ?? 0) > 0,
    "failures",
  );
  assert.ok(((await metricOf(server, "bunkms_audit_sink_lag_entries"))["webhook"] ?? 0) >= 30);
  // In the middle of deliveries.
  await Promise.all([calls(20), new Promise((resolve) => setTimeout(resolve, 150))]);
  await server.kill();
  down.add("otlp");
  server = await start();
  await calls(30);
  assert.equal(await server.stop(), 0);
  server = await start();
  down.clear();
  syslog = await startSyslogReceiver(port);
  await calls(30);
  await until(
    async () => Object.values(await metricOf(server, "bunkms_audit_sink_lag_entries")).every((lag) => lag <= 1),
    "the sinks to catch up",
    60_000,
    LOOK_MS,
  );
  assert.deepEqual(Object.keys(await metricOf(server, "bunkms_audit_sink_lag_entries")).toSorted(), SINKS.toSorted());
  const last = await metricOf(server, "bunkms_audit_sink_last_success_timestamp_seconds");
  assert.ok(Object.values(last).every((seconds) => Math.abs(seconds - Date.now() / 1000) < 60));

  const { value } = await call(server, "audit.list", { page_size: 1 });
  const size = Number(value["tree_size"]);
  await until(
    async () => Object.values(await metricOf(server, "bunkms_audit_sink_lag_entries")).every((lag) => lag <= 1),
    "the last entries",
    60_000,
    LOOK_MS,
  );
  assert.equal(await server.stop(), 0);
  messages.push(...syslog.messages);
  assert.deepEqual(syslog.faults, []);
  const got = {
    file: readFileSync(path, "utf8").split("\n").slice(0, -1).map(fromLine),
    syslog: messages.map(fromMessage),
    otlp: taken.otlp.flatMap(fromOtlp),
    webhook: taken.webhook.flatMap(fromWebhook),
  };
  assert.ok(size > 140);
  for (const [name, entries] of Object.entries(got)) {
    const log = withoutRepeats(name, entries).slice(0, size);
    assert.equal(log.length, size, name);
    assert.equal(Frontier.EMPTY.append(log.map(leafHash)).root().toString("base64"), value["root_hash_b64"], name);
  }
  assert.equal(withoutRepeats("file", got.file).length, got.file.length, "the file has nothing twice");
});

test("SINKS that hang, every one of them, slow no call, and the server stops in a few seconds", async (t) => {
  const folder = folderFor(t);
  const hanging = await startCannedServer(() => "hang");
  const syslog = await startSyslogReceiver();
  syslog.manner = "never ends";
  t.after(() => Promise.all([hanging.close(), syslog.close()]));
  writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
  const start = async (env: Readonly<Record<string, string>>) => {
    const server = await startServer({ env });
    t.after(() => server.remove());
    return { server, times: [] as number[] };
  };
  const without = await start({});
  const hung = await start({
    BUNKMS_AUDIT_SYSLOG: `tcp://127.0.0.1:${syslog.port}`,
    BUNKMS_AUDIT_OTLP: hanging.url,
    BUNKMS_AUDIT_WEBHOOK: hanging.url,
    BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: join(folder, "secret"),
  });
  // In turns, so that whatever else the machine does slows both.
  for (let i = 0; i < 200; i++) {
    for (const { server, times } of [without, hung]) {
      const began = performance.now();
      assert.equal((await call(server, "system.random", { bytes: 8 })).code, "ok");
      times.push(performance.now() - began);
    }
  }
  const [quick, slow] = [without, hung].map(({ times }) => times.toSorted((a, b) => a - b)[100] as number);
  t.diagnostic(`a call takes ${quick?.toFixed(2)} ms without, ${slow?.toFixed(2)} ms with sinks that hang`);
  assert.ok(Number(slow) < 3 * Number(quick) + 2);
  assert.equal(await without.server.stop(), 0);
  const began = performance.now();
  assert.equal(await hung.server.stop(), 0);
  const stop = performance.now() - began;
  assert.ok(stop < 5000, `${stop} ms`);
  assert.ok(hanging.requests.length >= 2);
});

test("SINKS while the vault is sealed nothing is sent; what was recorded comes when it is open again", async (t) => {
  const path = join(folderFor(t), "audit.jsonl");
  const server = await startUninitialised({ args: ["--audit-file", path] });
  t.after(() => server.remove());
  const rest = restTransport(server.url);
  t.after(() => rest.close());
  const { shares, rootToken } = await initialise(rest);
  const as = { token: rootToken };
  const operations = (): readonly string[] =>
    (existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : []).map(
      (line) => JSON.parse(line).entry.operation,
    );
  await until(() => operations().includes("seals.initialise"), "the making");
  assert.equal((await rest.call(operationOf("seals.seal"), {}, as)).code, "ok");
  const sealed = operations();
  await sleep(600);
  assert.deepEqual(operations(), sealed);
  for (const share of shares.slice(0, 3)) {
    assert.equal((await rest.call(operationOf("seals.unseal"), { key: share }, {})).code, "ok");
  }
  assert.equal((await rest.call(operationOf("system.random"), { bytes: 8 }, as)).code, "ok");
  await until(() => operations().includes("system.random"), "the last call");
  const all = operations();
  assert.deepEqual(all.slice(0, sealed.length), sealed);
  assert.ok(all.includes("seals.seal") && all.includes("seals.unseal"));
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  assert.deepEqual(
    lines.map((line) => fromLine(line).index),
    lines.map((_, i) => i),
  );
});

test("SINKS SIGHUP opens the audit file anew, as logrotate needs it", async (t) => {
  const path = join(folderFor(t), "audit.jsonl");
  const server = await startServer({ args: ["--audit-file", path, "--audit-file-max-size", "0"] });
  t.after(() => server.remove());
  await until(() => existsSync(path) && readFileSync(path).length > 0, "the file");
  renameSync(path, `${path}.1`);
  process.kill(server.pid, "SIGHUP");
  await call(server, "system.random", { bytes: 8 });
  await until(() => existsSync(path) && readFileSync(path).length > 0, "the new file");
  const lines = [`${path}.1`, path].flatMap((file) => readFileSync(file, "utf8").split("\n").slice(0, -1));
  assert.deepEqual(
    lines.map((line) => fromLine(line).index),
    lines.map((_, i) => i),
  );
});

test("SINKS a new sink begins with the next entry when the settings say so", async (t) => {
  const folder = folderFor(t);
  const [dataPath, configHome] = [join(folder, "data"), join(folder, "config")];
  const first = await startServer({ dataPath, configHome });
  await call(first, "system.random", { bytes: 8 });
  await first.stop();
  await first.remove();
  const path = join(folder, "audit.jsonl");
  const server = await startServer({ dataPath, configHome, args: ["--audit-file", path, "--audit-sinks-from", "now"] });
  t.after(() => server.remove());
  await call(server, "system.random", { bytes: 8 });
  await until(() => existsSync(path) && readFileSync(path).length > 0, "the file");
  assert.ok(fromLine(readFileSync(path, "utf8").split("\n")[0] as string).index >= 3);
});

test("SINKS a client certificate is presented to who asks for one, a renewed one without a restart, and one that is half renewed is not", async (t) => {
  const folder = folderFor(t);
  const authority = await makeAuthority(folder);
  const receiverFiles = await authority.issue("receiver");
  const [first, second] = [await authority.issue("first"), await authority.issue("second", "rsa")];
  const tls = {
    cert: readFileSync(receiverFiles.cert, "utf8"),
    key: readFileSync(receiverFiles.key, "utf8"),
    clientCa: authority.pem,
  };
  const syslog = await startSyslogReceiver(0, tls);
  const webhook = await startCannedServer(() => ({ status: 200 }), tls);
  t.after(() => Promise.all([syslog.close(), webhook.close()]));
  const [cert, key] = [join(folder, "client.pem"), join(folder, "client.key")];
  await replaceFile(cert, readFileSync(first.cert));
  await replaceFile(key, readFileSync(first.key));
  writeFileSync(join(folder, "secret"), SECRET, { mode: 0o600 });
  const env = {
    BUNKMS_AUDIT_SYSLOG: `tls://127.0.0.1:${syslog.port}`,
    BUNKMS_AUDIT_WEBHOOK: webhook.url,
    BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: join(folder, "secret"),
    BUNKMS_AUDIT_CA_CERT: authority.path,
    BUNKMS_AUDIT_CLIENT_CERT: cert,
    BUNKMS_AUDIT_CLIENT_KEY: key,
  };
  const server = await startServer({ env });
  t.after(() => server.remove());
  const clients = () => [syslog.clients.at(-1), webhook.requests.at(-1)?.client];
  const become = async (name: string): Promise<void> => {
    await until(async () => {
      await call(server, "system.random", { bytes: 8 });
      return clients().every((client) => client === name);
    }, `${name} presented`);
  };
  await become("first");
  await replaceFile(cert, readFileSync(second.cert));
  await until(async () => {
    await call(server, "system.random", { bytes: 8 });
    return server.output().includes("the audit sinks' client certificate was not read anew");
  }, "the report");
  await become("first");
  await replaceFile(key, readFileSync(second.key));
  await become("second");
  assert.ok(Object.values(await metricOf(server, "bunkms_audit_sink_failures_total")).every((count) => count === 0));
  assert.doesNotMatch(server.output(), /PRIVATE KEY|BEGIN/);
  assert.equal(await server.stop(), 0);
  withoutRepeats("syslog", syslog.messages.map(fromMessage));
  withoutRepeats("webhook", webhook.requests.flatMap(fromWebhook));
});

test("SINKS a client certificate that cannot be used stops the start by the settings' names, and nothing is made", async (t) => {
  const folder = folderFor(t);
  const authority = await makeAuthority(folder);
  const [one, other] = [await authority.issue("one"), await authority.issue("other", "rsa")];
  chmodSync(one.key, 0o600);
  chmodSync(other.key, 0o600);
  writeFileSync(join(folder, "text"), "canary", { mode: 0o600 });
  writeFileSync(join(folder, "open.key"), readFileSync(one.key));
  chmodSync(join(folder, "open.key"), 0o640);
  const syslog = { BUNKMS_AUDIT_SYSLOG: "tls://192.0.2.1:6514" };
  const pair = (cert: string, key: string) => ({ BUNKMS_AUDIT_CLIENT_CERT: cert, BUNKMS_AUDIT_CLIENT_KEY: key });
  const cases: readonly (readonly [env: Record<string, string>, reason: RegExp])[] = [
    [{ ...syslog, BUNKMS_AUDIT_CLIENT_CERT: one.cert }, /both or none/],
    [{ ...syslog, BUNKMS_AUDIT_CLIENT_KEY: one.key }, /both or none/],
    [{ ...pair(one.cert, one.key), BUNKMS_AUDIT_SYSLOG: "tcp://127.0.0.1:601" }, /no audit sink over TLS/],
    [{ ...syslog, ...pair(one.cert, other.key) }, /not a PEM certificate and the private key that fits it/],
    [{ ...syslog, ...pair(join(folder, "text"), one.key) }, /not a PEM certificate and the private key that fits it/],
    [{ ...syslog, ...pair(one.cert, join(folder, "text")) }, /not a PEM certificate and the private key that fits it/],
    [{ ...syslog, ...pair(one.cert, join(folder, "missing")) }, /cannot be read/],
    [{ ...syslog, ...pair(one.cert, join(folder, "open.key")) }, /others than its owner/],
    [{ ...syslog, ...pair(one.cert, one.key), BUNKMS_AUDIT_FILE: one.key }, /--audit-file/],
  ];
  for (const [env, reason] of cases) {
    const output = await refusedStart(folder, env);
    assert.match(output, reason);
    assert.match(output, /--audit-(client-(cert|key)|file)/);
    assert.doesNotMatch(output, /BEGIN/);
  }
});

/** Starts a server that refuses its settings, and makes and tells nothing. @returns What it says. */
async function refusedStart(folder: string, env: Record<string, string>): Promise<string> {
  const server = launchServer({ folder, env, args: ["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"] });
  assert.equal(await server.end(), 2, server.output());
  assert.doesNotMatch(server.output(), /canary/);
  assert.ok(!existsSync(join(folder, "data")));
  return server.output();
}

test("SINKS CVE-2025-6000 what is no fit place for the audit file or the archive, or no fit address, stops the start and nothing is made", async (t) => {
  const folder = folderFor(t);
  const target = join(folder, "target");
  symlinkSync(target, join(folder, "link"));
  writeFileSync(join(folder, "program"), "");
  chmodSync(join(folder, "program"), 0o700);
  mkdirSync(join(folder, "open"));
  chmodSync(join(folder, "open"), 0o777);
  writeFileSync(join(folder, "secret"), "canary", { mode: 0o600 });
  writeFileSync(join(folder, "foreign"), '{"level":"info"}\n', { mode: 0o600 });
  const cases: readonly (readonly [env: Record<string, string>, reason: RegExp])[] = [
    [{ BUNKMS_AUDIT_FILE: join(folder, "link") }, /plain file/],
    [{ BUNKMS_AUDIT_FILE: join(folder, "program") }, /mode 700/],
    [{ BUNKMS_AUDIT_FILE: join(folder, "open", "audit") }, /everybody/],
    [{ BUNKMS_AUDIT_FILE: join(folder, "missing", "audit") }, /cannot be entered/],
    [{ BUNKMS_AUDIT_FILE: join(folder, "foreign") }, /--audit-file.*foreign does not end with audit entries/],
    [{ BUNKMS_AUDIT_FILE: "/dev/null" }, /plain file|everybody/],
    [{ BUNKMS_AUDIT_FILE: "" }, /is empty/],
    [{ BUNKMS_AUDIT_ARCHIVE: join(folder, "program") }, /no folder/],
    [{ BUNKMS_AUDIT_ARCHIVE: join(folder, "open") }, /everybody/],
    [{ BUNKMS_AUDIT_ARCHIVE: join(folder, "data") }, /folder of its own/],
    [{ BUNKMS_AUDIT_ARCHIVE: join(folder, "data", "archive") }, /folder of its own/],
    [{ BUNKMS_AUDIT_ARCHIVE: folder }, /folder of its own/],
    [{ BUNKMS_AUDIT_ARCHIVE: "/" }, /folder of its own/],
    [{ BUNKMS_AUDIT_SYSLOG: "tcp://192.0.2.1:514" }, /tls:/],
    [{ BUNKMS_AUDIT_OTLP: "http://192.0.2.1:4318" }, /https/],
    [{ BUNKMS_AUDIT_WEBHOOK: "http://192.0.2.1", BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: join(folder, "secret") }, /https/],
    [{ BUNKMS_AUDIT_WEBHOOK: "https://192.0.2.1", BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: join(folder, "secret") }, /whsec_/],
    [{ BUNKMS_AUDIT_OTLP: "https://192.0.2.1", BUNKMS_AUDIT_OTLP_HEADERS_FILE: join(folder, "secret") }, /NAME: VALUE/],
  ];
  for (const [env, reason] of cases) {
    assert.match(await refusedStart(folder, env), reason);
  }
  assert.ok(!existsSync(target));
});

test("SINKS CVE-2025-6000 no operation has a field for where the log goes, and one that is made up is refused", async (t) => {
  const names = readOperations().flatMap(({ action, method }) =>
    method.input.fields.map(({ name }) => `${action} ${name}`),
  );
  const suspicious =
    /(^|_)(path|file|folder|dir|directory|url|uri|address|addr|endpoint|host|sink|prefix|syslog|otlp|webhook|mode)(_|$)/;
  assert.deepEqual(
    names.filter((name) => suspicious.test(name.split(" ")[1] as string)),
    // Which names to list.
    ["keys.list prefix", "aliases.list prefix", "secrets.list prefix", "attachments.list prefix"],
  );
  const folder = folderFor(t);
  const path = join(folder, "audit.jsonl");
  const server = await startServer({ args: ["--audit-file", path] });
  t.after(() => server.remove());
  for (const operation of readOperations().filter(({ route }) => route?.hasBody)) {
    for (const field of ["file_path", "audit_file", "prefix", "options", "sink", "mode"]) {
      const url = server.url + (operation.route?.template ?? "").replaceAll(/\{[^}]*\}/g, "x");
      const answer = await fetch(url, {
        method: operation.route?.method ?? "POST",
        headers: { authorization: `Bearer ${server.rootToken}`, "content-type": "application/json" },
        body: JSON.stringify({ [field]: join(folder, "elsewhere") }),
      });
      assert.equal(answer.status, 400, `${operation.action} ${field}: ${await answer.text()}`);
    }
  }
  assert.ok(!existsSync(join(folder, "elsewhere")));
});
