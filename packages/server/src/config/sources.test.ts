import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readEnvironment, readSettingsFile } from "./sources.ts";

const KEY_HEX = "00".repeat(32);
const folder = mkdtempSync(join(tmpdir(), "bunkms-sources-"));
const path = join(folder, "settings");
after(() => rmSync(folder, { recursive: true }));

function read(content: string, mode = 0o600): ReturnType<typeof readSettingsFile> {
  writeFileSync(path, content);
  chmodSync(path, mode);
  return readSettingsFile(path);
}

test("a settings file has NAME=value lines, quotes, comments and empty lines", () => {
  const { texts, reasons } = read(
    '# comment\n\n  # indented\r\nBUNKMS_ADDR=127.0.0.1:1\r\nBUNKMS_STORE = "memory"\nBUNKMS_LOG_LEVEL=warn # why\n',
  );
  assert.deepEqual(reasons, []);
  assert.deepEqual(Object.fromEntries(texts), { addr: "127.0.0.1:1", store: "memory", logLevel: "warn" });
});

test("a value in a settings file is taken whole or refused: no # and no quote ends it unseen", () => {
  for (const [written, value] of [
    ["'12#34'", "12#34"],
    ['"12 #34" # why', "12 #34"],
    ['`it\'s "12"`', 'it\'s "12"'],
    ["it's=12\"", "it's=12\""],
    ["two words\t# why", "two words"],
    ["'' # empty", ""],
    ["12\u00a0", "12\u00a0"],
  ] as const) {
    const { texts, reasons } = read(`BUNKMS_PKCS11_TOKEN=${written}\n`);
    assert.deepEqual([texts.get("pkcs11Token"), reasons], [value, []], written);
  }
  const cut = ["12#34", "#12", "12# why", "'12'#34", "'12' 34", "'12''34'", '"12', "'12#34", "it's#12"];
  // Of a carriage return nothing would be left, and blanks of other kinds are none.
  for (const written of [...cut, "12\r34", "'12\r34'", "\u00a0'12#34'", "12\u00a0#34"]) {
    const { texts, reasons } = read(`BUNKMS_ADDR=127.0.0.1:1\nBUNKMS_PKCS11_TOKEN=${written}\n`);
    assert.equal(texts.get("pkcs11Token"), undefined, written);
    assert.match(reasons.join(), /^settings file, line 2: BUNKMS_PKCS11_TOKEN: would not be taken as it is written/);
    assert.doesNotMatch(reasons.join(), /12|34/, "no reason has a value");
  }
});

test("an unknown name, a name given twice, and a line without a value in the file are refused by their line", () => {
  const { reasons } = read(
    "BUNKMS_ADR=1\nBUNKMS_STORE=memory\nBUNKMS_STORE=memory\nBUNKMS_ADDR 1\nPATH=/x\nBUNKMS_CONFIG=x\n",
  );
  assert.deepEqual(reasons, [
    "settings file, line 1: BUNKMS_ADR: no such setting in a file; --help lists them",
    "settings file, line 3: BUNKMS_STORE: is given twice",
    "settings file, line 4: is not NAME=value",
    "settings file, line 5: (a name not shown): no such setting in a file; --help lists them",
    "settings file, line 6: BUNKMS_CONFIG: no such setting in a file; --help lists them",
  ]);
});

test("the tool variables of the CLI are not settings of a server's file", () => {
  assert.equal(read("BUNKMS_TOKEN=x\n").reasons.length, 1);
});

test("a settings file that others can read must not hold the master key, but may hold the rest", () => {
  assert.deepEqual(read("BUNKMS_STORE=memory\n", 0o644).reasons, []);
  assert.match(read(`BUNKMS_MASTER_KEY=${KEY_HEX}\n`, 0o640).reasons.join(), /line 1: BUNKMS_MASTER_KEY: others/);
  assert.deepEqual(read(`BUNKMS_MASTER_KEY=${KEY_HEX}\n`, 0o600).reasons, []);
});

test("the environment keeps all variables but the master key", () => {
  const env: NodeJS.ProcessEnv = { BUNKMS_MASTER_KEY: KEY_HEX, BUNKMS_STORE: "memory", PATH: "/bin" };
  const { texts, reasons } = readEnvironment(env);
  assert.deepEqual(reasons, []);
  assert.deepEqual(Object.fromEntries(texts), { masterKey: KEY_HEX, store: "memory" });
  assert.deepEqual(env, { BUNKMS_STORE: "memory", PATH: "/bin" });
});

test("variables that Kubernetes makes of a service named bunkms are no settings, and what only looks like one is refused", () => {
  const links = {
    BUNKMS_SERVICE_HOST: "10.0.0.1",
    BUNKMS_SERVICE_PORT: "8080",
    BUNKMS_SERVICE_PORT_REST: "8080",
    BUNKMS_PORT: "tcp://10.0.0.1:8080",
    BUNKMS_PORT_8080_TCP: "tcp://10.0.0.1:8080",
    BUNKMS_PORT_8080_TCP_PROTO: "tcp",
    BUNKMS_PORT_8080_TCP_PORT: "8080",
    BUNKMS_PORT_8080_TCP_ADDR: "10.0.0.1",
    BUNKMS_GRPC_SERVICE_HOST: "fd00::1",
    BUNKMS_GRPC_PORT_8081_TCP: "tcp://[fd00::1]:8081",
  };
  const { texts, reasons } = readEnvironment({ ...links });
  assert.deepEqual([texts.size, reasons], [0, []]);
  for (const [name, value] of [
    ["BUNKMS_PORT", "8080"],
    ["BUNKMS_SERVICE_HOST", "kms.example"],
    ["BUNKMS_SERVICE_PORT", "tcp://10.0.0.1:8080"],
    ["BUNKMS_REPORT", "tcp://10.0.0.1:8080"],
    ["BUNKMS_PORT_TCP", "tcp://10.0.0.1:8080"],
    ["BUNKMS_PORT_8080_TCP_PROTO", "yes"],
    ["BUNKMS_SERVICE", "8080"],
  ] as const) {
    assert.match(readEnvironment({ [name]: value }).reasons.join(), /unknown environment variable/, `${name}=${value}`);
  }
});
