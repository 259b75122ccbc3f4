import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { ConfigError } from "./config-error.ts";
import { MasterKey, parseMasterKey, readMasterKeyFile } from "./master-key.ts";

const KEY = Buffer.from("fbf0ffc301020304050607080900aabbccddeeff10111213141516171819feff", "hex");
const HEX = KEY.toString("hex");
const BASE64 = `base64:${KEY.toString("base64")}`;
const RAW_TEXT = "thirty-two raw bytes, as text...";
const folder = mkdtempSync(join(tmpdir(), "bunkms-master-key-"));
after(() => rmSync(folder, { recursive: true }));

function keyFile(content: string | Buffer, mode = 0o600): string {
  const path = join(folder, "master.key");
  rmSync(path, { force: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function refuses(read: () => unknown, reason: RegExp): void {
  assert.throws(read, (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, reason);
    return true;
  });
}

test("base64:, hex digits of either case and 32 raw bytes are master keys", () => {
  assert.deepEqual(parseMasterKey(BASE64, "X").take(), KEY);
  assert.deepEqual(parseMasterKey(HEX, "X").take(), KEY);
  assert.deepEqual(parseMasterKey(HEX.toUpperCase(), "X").take(), KEY);
  assert.deepEqual(parseMasterKey(RAW_TEXT, "X").take(), Buffer.from(RAW_TEXT));
});

test("every byte value survives both text forms", () => {
  for (let value = 0; value < 256; value += 1) {
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => (value * 3 + i * 37) & 0xff));
    assert.deepEqual(parseMasterKey(`base64:${key.toString("base64")}`, "X").take(), key);
    assert.deepEqual(parseMasterKey(key.toString("hex"), "X").take(), key);
  }
});

const MALFORMED: Readonly<Record<string, string>> = {
  nothing: "",
  "31 bytes": RAW_TEXT.slice(1),
  "33 bytes": `${RAW_TEXT}.`,
  "a line end after 32 bytes": `${RAW_TEXT}\n`,
  "bare base64": KEY.toString("base64"),
  "base64: in capitals": BASE64.replace("base64", "BASE64"),
  "base64: of 31 bytes": `base64:${KEY.subarray(1).toString("base64")}`,
  "base64: of 33 bytes": `base64:${Buffer.concat([KEY, KEY.subarray(0, 1)]).toString("base64")}`,
  "base64: without padding": BASE64.slice(0, -1),
  "base64: with more padding": `${BASE64}=`,
  base64url: BASE64.replaceAll("+", "-").replaceAll("/", "_"),
  "base64: with unused bits set": BASE64.replace(/.=$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}=`),
  "base64: with a space": `base64: ${KEY.toString("base64").slice(1)}`,
  "what may be raw bytes or base64:": "base64:AAAAAAAAAAAAAAAAAAAAAAAAA",
  "63 hex digits": HEX.slice(1),
  "65 hex digits": `${HEX}0`,
  "64 characters that are not all hex": `${HEX.slice(1)}g`,
  "0x before hex": `0x${HEX}`,
  "text that lost bytes in decoding": `${"a".repeat(29)}\ufffd`,
};

for (const [what, value] of Object.entries(MALFORMED)) {
  test(`a master key that is ${what} is refused without repeating it`, () => {
    refuses(
      () => parseMasterKey(value, "BUNKMS_MASTER_KEY"),
      value === "" ? /^BUNKMS_MASTER_KEY: is empty$/ : /^BUNKMS_MASTER_KEY: .*base64:/,
    );
    assert.throws(
      () => parseMasterKey(value, "X"),
      (error: Error) => value === "" || !error.message.includes(value.slice(8, 24)),
    );
  });
}

test("a master key file holds a text form with or without a line end, or 32 raw bytes", () => {
  for (const content of [HEX, `${HEX}\n`, `${HEX}\r\n`, BASE64, `${BASE64}\n`, KEY]) {
    assert.deepEqual(readMasterKeyFile(keyFile(content), "X").take(), KEY);
  }
  const endsInLineEnd = Buffer.concat([KEY.subarray(0, 31), Buffer.from("\n")]);
  assert.deepEqual(readMasterKeyFile(keyFile(endsInLineEnd), "X").take(), endsInLineEnd);
});

test("a master key file with raw bytes and a line end, two line ends or text of 31 bytes is refused", () => {
  refuses(() => readMasterKeyFile(keyFile(Buffer.concat([KEY, Buffer.from("\n")])), "X"), /has 33 bytes/);
  refuses(() => readMasterKeyFile(keyFile(`${HEX}\n\n`), "X"), /has 66 bytes/);
  refuses(() => readMasterKeyFile(keyFile(`${BASE64}\n\n`), "X"), /is not valid after base64:/);
  refuses(() => readMasterKeyFile(keyFile(` ${HEX}`), "X"), /has 65 bytes/);
  refuses(() => readMasterKeyFile(keyFile(`${RAW_TEXT.slice(1)}\n`), "X"), /may be 32 raw bytes or shorter text/);
  refuses(() => readMasterKeyFile(keyFile(""), "X"), /is empty/);
  refuses(() => readMasterKeyFile(keyFile(Buffer.alloc(1025)), "X"), /larger than 1024 bytes/);
});

test("a master key file that others can read or change is refused", () => {
  for (const mode of [0o640, 0o604, 0o644, 0o620, 0o602, 0o660, 0o777]) {
    refuses(() => readMasterKeyFile(keyFile(HEX, mode), "X"), /others than its owner.*chmod 600/);
  }
  assert.deepEqual(readMasterKeyFile(keyFile(HEX, 0o400), "X").take(), KEY);
});

test("a master key file that is absent or a folder is refused", () => {
  refuses(() => readMasterKeyFile(join(folder, "absent"), "X"), /^X: the file cannot be read \(ENOENT\)$/);
  mkdirSync(join(folder, "folder"));
  refuses(() => readMasterKeyFile(join(folder, "folder"), "X"), /is not a regular file/);
});

test("REQ-07: a master key prints as a placeholder, also in an error and in a template", () => {
  const key = new MasterKey(Buffer.from(KEY));
  assert.equal(String(key), "[master key]");
  assert.equal(JSON.stringify({ key }), '{"key":"[master key]"}');
  assert.equal(inspect(key), "[master key]");
  assert.deepEqual(Object.keys(key), []);
  assert.deepEqual({ ...key }, {});
});

test("a master key is taken once", () => {
  const key = new MasterKey(Buffer.from(KEY));
  assert.deepEqual(key.take(), KEY);
  assert.throws(() => key.take(), /taken already/);
});
