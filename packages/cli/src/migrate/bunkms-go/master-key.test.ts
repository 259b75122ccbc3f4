import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "../../failure.ts";
import { fakeIo, temporaryFolder, type World } from "../../test-bed.ts";
import { type MasterKeyOptions, readMasterKey } from "./master-key.ts";
import { StoreError } from "./store-error.ts";

const KEY = Buffer.from("f".repeat(32));
const HEX = KEY.toString("hex");
const BASE64 = KEY.toString("base64");

const read = (options: MasterKeyOptions, world: World = {}): Promise<Buffer> =>
  readMasterKey(fakeIo(world).io, options);

test("the master key is read in all forms that the Go server takes, from each place", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "key");
  for (const form of [HEX, HEX.toUpperCase(), BASE64, `base64:${BASE64}`, ` \t${HEX}\n`, "f".repeat(31).concat("-")]) {
    const expected = form.endsWith("-") ? Buffer.from(form) : KEY;
    writeFileSync(path, form, { mode: 0o600 });
    const env = { BUNKMS_MASTER_KEY: form, OTHER: form };
    assert.deepEqual(await read({ masterKeyFile: path }), expected);
    assert.deepEqual(await read({ masterKey: path }), expected);
    assert.deepEqual(await read({ masterKey: "env:OTHER" }, { env }), expected);
    assert.deepEqual(await read({}, { env }), expected);
    assert.deepEqual(await read({ masterKey: "-" }, { stdin: form }), expected);
    assert.deepEqual(await read({}, { stdin: `${form}\n`, terminal: true }), expected);
  }
});

test("a key on the command line is refused, and not repeated", async () => {
  for (const form of [HEX, BASE64, `base64:${BASE64}`, "base64:x", HEX.slice(0, 62)]) {
    for (const options of [{ masterKey: form }, { masterKeyFile: form }]) {
      await assert.rejects(read(options), (error) => {
        assert.ok(error instanceof Failure);
        assert.match(error.message, /every user of a machine sees its command lines/);
        return !`${error.message} ${error.next}`.includes(form);
      });
    }
  }
});

test("a file that others can read or write is refused, with what to do", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "key");
  writeFileSync(path, HEX);
  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o644, 0o777]) {
    chmodSync(path, mode);
    for (const options of [{ masterKeyFile: path }, { masterKey: path }]) {
      await assert.rejects(read(options), {
        name: "Failure",
        exitCode: 2,
        message: `${path} is open to others (mode 0${mode.toString(8)})`,
        next: `Close it: chmod 600 ${path}`,
      });
    }
  }
  chmodSync(path, 0o400);
  assert.deepEqual(await read({ masterKeyFile: path }), KEY);
});

test("what is no file is not to be closed: nobody is told to change the mode of a folder or a device", async () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  await assert.rejects(read({ masterKeyFile: folder.path }), { name: "Failure", message: /folder/ });
  await assert.rejects(read({ masterKeyFile: "/dev/null" }), StoreError);
});

test("what is no master key is refused, and so are none and two", async () => {
  for (const stdin of ["", "short", HEX.slice(2), `${HEX}00`, "base64:AAAA", "base64:!", "f".repeat(33)]) {
    await assert.rejects(
      read({ masterKey: "-" }, { stdin }),
      (error) => error instanceof StoreError && error.code === "invalid_master_key",
    );
  }
  await assert.rejects(read({}), /master key is needed/);
  await assert.rejects(read({ masterKey: "env:NOBODY" }), /has no NOBODY/);
  await assert.rejects(read({ masterKey: "-", masterKeyFile: "-" }), /not both/);
  await assert.rejects(read({ masterKeyFile: "/nonexistent" }), /there is no such file/);
});
