import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../../../../scripts/run-program.ts";
import { auditEntries, LOG_NAME } from "../../../../../test/harness/audit-entries.ts";
import { type CannedAnswer, type CannedServer, startCannedServer } from "../../../../../test/harness/canned-server.ts";
import { OtlpSink, type OtlpSinkOptions } from "./otlp.ts";
import { parseOtlpHeaders } from "./otlp-headers.ts";
import { DeliveryFailed, type Failure } from "./sink.ts";

const never = new AbortController().signal;
const PYTHON = join(ROOT, ".cache", "venv", "bin", "python");

/** OpenTelemetry's own messages, read strictly: an unknown field or a wrong type is an error. */
const PARSE = `
import sys
from google.protobuf.json_format import Parse, MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
print(MessageToJson(Parse(sys.stdin.read(), ExportLogsServiceRequest(), ignore_unknown_fields=False)))
`;

function sinkFor(server: CannedServer, options: Partial<OtlpSinkOptions> = {}): OtlpSink {
  return new OtlpSink({
    address: server.url,
    readHeaders: () => ({}),
    origin: LOG_NAME,
    version: "1.2.3",
    onRejected: () => assert.fail("nothing was rejected"),
    ...options,
  });
}

async function withAnswer(answer: CannedAnswer, use: (server: CannedServer) => Promise<void>): Promise<void> {
  const server = await startCannedServer(() => answer);
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

test("what is sent is an ExportLogsServiceRequest to OpenTelemetry's own parser, with the entries' bytes as bodies", () =>
  withAnswer({ status: 200, body: {} }, async (server) => {
    const entries = auditEntries(0, 7);
    const sink = sinkFor(server, {
      address: `${server.url}/base/`,
      readHeaders: () => ({ authorization: "Bearer t" }),
    });
    await sink.deliver(entries, never);
    await sink.close();
    const [request] = server.requests;
    assert.equal(request?.path, "/base/v1/logs");
    assert.equal(request?.headers["content-type"], "application/json");
    assert.equal(request?.headers["authorization"], "Bearer t");
    const { status, stdout, stderr } = spawnSync(PYTHON, ["-c", PARSE], { input: request?.body });
    assert.equal(status, 0, stderr.toString());
    const [resource] = JSON.parse(stdout.toString()).resourceLogs;
    assert.deepEqual(resource.resource.attributes, [
      { key: "service.name", value: { stringValue: "bunkms" } },
      { key: "service.version", value: { stringValue: "1.2.3" } },
    ]);
    const [{ scope, logRecords }] = resource.scopeLogs;
    assert.equal(scope.name, "bunkms.audit");
    assert.deepEqual(scope.attributes, [{ key: "bunkms.audit.log", value: { stringValue: LOG_NAME } }]);
    assert.equal(logRecords.length, entries.length);
    for (const [i, { index, bytes }] of entries.entries()) {
      const record = logRecords[i];
      assert.ok(Buffer.from(record.body.stringValue).equals(bytes));
      assert.equal(record.timeUnixNano, `${1_764_000_000_000 + index}000000`);
      assert.equal(record.eventName, "bunkms.audit.entry");
      const severity = index === 6 ? "ERROR2" : index === 4 ? "INFO2" : "INFO";
      assert.equal(record.severityNumber, `SEVERITY_NUMBER_${severity}`);
      assert.deepEqual(record.attributes[0], { key: "bunkms.audit.index", value: { intValue: String(index) } });
    }
  }));

test("entries that the collector took and dropped are counted, and not sent again", async () => {
  for (const [partialSuccess, count] of [
    [{ rejectedLogRecords: "2", errorMessage: "no" }, 2],
    [{ rejectedLogRecords: 3 }, 3],
    [{ rejectedLogRecords: "999" }, 5],
    [{ rejectedLogRecords: "-1" }, 0],
    [{ rejectedLogRecords: "many" }, 0],
    [{ errorMessage: "a warning" }, 0],
    [null, 0],
  ] as const) {
    await withAnswer({ status: 200, body: { partialSuccess } }, async (server) => {
      let rejected = 0;
      const onRejected = (dropped: number) => {
        rejected += dropped;
      };
      const sink = sinkFor(server, { onRejected });
      await sink.deliver(auditEntries(0, 5), never);
      await sink.close();
      assert.equal(rejected, count, JSON.stringify(partialSuccess));
      assert.equal(server.requests.length, 1);
    });
  }
});

test("an answer that is no JSON, with a status that says yes, is a yes", () =>
  withAnswer({ status: 200, body: "ok" }, async (server) => {
    const sink = sinkFor(server);
    await sink.deliver(auditEntries(0, 1), never);
    await sink.close();
  }));

test("failures go on as OTLP says: retryable ones soon or when asked to, others when somebody may have mended them", async () => {
  const cases: readonly (readonly [answer: CannedAnswer, text: RegExp, failure: Failure])[] = [
    [{ status: 429 }, /429/, { needsMending: false }],
    [{ status: 503, headers: { "retry-after": "7" } }, /503/, { needsMending: false, pauseMs: 7000 }],
    [{ status: 502, headers: { "retry-after": "1000000" } }, /502/, { needsMending: false, pauseMs: 600_000 }],
    [{ status: 504, headers: { "retry-after": "soon" } }, /504/, { needsMending: false }],
    [{ status: 500 }, /500/, { needsMending: true }],
    [{ status: 400 }, /400/, { needsMending: true }],
    [{ status: 401 }, /401/, { needsMending: true }],
    [{ status: 404 }, /404/, { needsMending: true }],
    [{ status: 413 }, /413/, { needsMending: true, isTooLarge: true }],
    [{ status: 302, headers: { location: "http://127.0.0.1:1/" } }, /redirect/, { needsMending: true }],
    [{ status: 200, body: Buffer.alloc(1024 * 1024) }, /too large/, {}],
    ["hang", /within 0.3 s/, {}],
  ];
  for (const [answer, text, failure] of cases) {
    await withAnswer(answer, async (server) => {
      const sink = sinkFor(server, { timeoutMs: 300 });
      await assert.rejects(sink.deliver(auditEntries(0, 1), never), (error) => {
        assert.ok(error instanceof DeliveryFailed, String(error));
        assert.match(error.message, text);
        assert.deepEqual(error.failure, failure, error.message);
        return true;
      });
      assert.equal(server.requests.length, 1);
      await sink.close();
    });
  }
});

test("what the other side says is in no error", () =>
  withAnswer({ status: 400, body: "canary" }, async (server) => {
    const sink = sinkFor(server);
    await assert.rejects(sink.deliver(auditEntries(0, 1), never), (error) => !String(error).includes("canary"));
    await sink.close();
  }));

test("headers that cannot be read are a failure of which nothing is told", () =>
  withAnswer({ status: 200 }, async (server) => {
    const sink = sinkFor(server, {
      readHeaders: () => {
        throw new Error("canary");
      },
    });
    await assert.rejects(sink.deliver(auditEntries(0, 1), never), /headers cannot be read/);
    assert.equal(server.requests.length, 0);
    await sink.close();
  }));

test("a file of headers has names and values, and none that the sink sets itself", () => {
  assert.deepEqual(parseOtlpHeaders(Buffer.from("Authorization: Bearer a b\r\n\nx-tenant:7\n")), {
    authorization: "Bearer a b",
    "x-tenant": "7",
  });
  assert.deepEqual(parseOtlpHeaders(Buffer.alloc(0)), {});
  const many = Array.from({ length: 33 }, (_, i) => `h${i}: v`).join("\n");
  for (const text of [
    "Bearer canary",
    "a: ",
    "a b: c",
    "a: b\u0007",
    "Host: x",
    "content-length: 3",
    "a: 1\nA: 2",
    many,
  ]) {
    assert.throws(() => parseOtlpHeaders(Buffer.from(text)), /^HeadersRefused: must hold/, text.slice(0, 20));
  }
});

test("an address without TLS is asked on this machine only", () => {
  for (const address of ["http://collector.example:4318", "ftp://127.0.0.1", "http://user:pw@127.0.0.1", "nonsense"]) {
    assert.throws(() => sinkFor({ url: address } as CannedServer), /AddressRefused/);
  }
});
