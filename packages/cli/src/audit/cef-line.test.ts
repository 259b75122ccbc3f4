import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cefLine } from "./cef-line.ts";
import { jsonLine } from "./exported-entry.ts";

const entry = (members: object, index = 7) => ({
  origin: "bkms/0/main",
  index,
  bytes: Buffer.from(JSON.stringify(members)),
});

describe("an entry in the Common Event Format", () => {
  test("has its members under the format's own keys, and the rest as custom strings", () => {
    const line = cefLine(
      entry({
        v: 1,
        time: "2026-11-25T00:00:00.001Z",
        request_id: "r-1",
        identity: "0a",
        identity_name: "ada",
        role: "admin",
        operation: "keys.encrypt",
        resource: "key/invoices",
        outcome: "ok",
        source: "192.0.2.1",
        transport: "rest",
        request: { key_name: "invoices" },
        response: {},
      }),
      "1.2.3",
    );
    assert.equal(
      line,
      "CEF:0|BunKMS|BunKMS|1.2.3|keys.encrypt|keys.encrypt: ok|3|rt=1795564800001 externalId=7 act=keys.encrypt outcome=ok " +
        "suid=0a suser=ada spriv=admin app=rest src=192.0.2.1 cs1=r-1 cs1Label=Request Id cs2=key/invoices " +
        'cs2Label=Resource cs3={"key_name":"invoices"} cs3Label=Request cs5=bkms/0/main cs5Label=Log',
    );
  });

  test("is of the severity that its outcome has, or of a critical one's", () => {
    const severity = (members: object) => cefLine(entry({ operation: "keys.export", ...members }), "1").split("|")[6];
    assert.equal(severity({ outcome: "ok" }), "3");
    assert.equal(severity({ outcome: "not_found" }), "5");
    assert.equal(severity({ outcome: "permission_denied" }), "7");
    assert.equal(severity({ outcome: "ok", critical: "true" }), "9");
    assert.equal(severity({ outcome: "not_found", critical: "true" }), "9");
  });

  test("escapes what the format would read as its own, and stays one line", () => {
    const line = cefLine(
      entry({
        operation: "a|b\\c\nd",
        resource: "x=y\\z\r\nCEF:0|forged",
        outcome: "permission_denied",
        source: "2001:db8::1",
      }),
      "1",
    );
    assert.equal(
      line,
      "CEF:0|BunKMS|BunKMS|1|a\\|b\\\\c d|a\\|b\\\\c d: permission_denied|7|externalId=7 act=a|b\\\\c\\nd " +
        "outcome=permission_denied c6a2=2001:db8::1 c6a2Label=Source IPv6 Address cs2=x\\=y\\\\z\\r\\nCEF:0|forged " +
        "cs2Label=Resource cs5=bkms/0/main cs5Label=Log",
    );
  });

  test("is there also for bytes that are no entry of ours", () => {
    for (const bytes of [Buffer.of(0xff), Buffer.from("[]"), Buffer.from("null"), Buffer.alloc(0)]) {
      assert.equal(
        cefLine({ origin: "o", index: 0, bytes }, "1"),
        "CEF:0|BunKMS|BunKMS|1|unknown|unknown: unknown|5|externalId=0 cs5=o cs5Label=Log",
      );
    }
  });
});

describe("an entry as a line of JSON", () => {
  test("has its bytes as they are", () => {
    const bytes = Buffer.from('{"v":1,"time":"\\u0001 é","v":2}');
    assert.equal(jsonLine({ origin: "o", index: 3, bytes }), `{"index":3,"entry":${bytes}}`);
  });

  test("has them in base64 when they are no JSON object or would break the line", () => {
    for (const text of ['{"a":\n1}', "{}\r", '{"a"', "", "3", '{} {"index":4}']) {
      const bytes = Buffer.from(text);
      assert.deepEqual(JSON.parse(jsonLine({ origin: "o", index: 3, bytes })), {
        index: 3,
        entry_base64: bytes.toString("base64"),
      });
    }
    assert.equal(jsonLine({ origin: "o", index: 0, bytes: Buffer.of(0xff) }), '{"index":0,"entry_base64":"/w=="}');
  });
});
