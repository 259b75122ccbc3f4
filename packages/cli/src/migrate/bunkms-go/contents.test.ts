import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seeded } from "../../../../../test/vectors/seeded.ts";
import { type GoContents, readContents } from "./contents.ts";
import { file, keyEntry, keyJson, leaf, MASTER_KEY, sealed, secretEntry, secretJson } from "./made-store.ts";
import { PAGE_LENGTH } from "./pages.ts";
import { StoreError, type StoreErrorCode } from "./store-error.ts";

const NOW = Date.parse("2025-01-01T00:00:00Z");
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "bunkms-made-store-"));
});

after(() => rmSync(folder, { recursive: true }));

async function read(bytes: Buffer, masterKey: Uint8Array = MASTER_KEY): Promise<GoContents> {
  writeFileSync(join(folder, "data.db"), bytes);
  return readContents({ folder, auditLogs: [], olderKeys: false, now: NOW }, masterKey);
}

const isCode = (code: StoreErrorCode) => (error: unknown) => error instanceof StoreError && error.code === code;
const reasonsOf = ({ listed }: GoContents): string[] =>
  listed.map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`);

test("keys and secrets are read, and times lose what is below a millisecond only where they are used", async () => {
  const contents = await read(file(leaf(keyEntry("a"), secretEntry("s", "value"))));
  assert.deepEqual(
    contents.keys.map(({ name, versions }) => [name, versions[0]?.material.toString()]),
    [["a", "a".repeat(32)]],
  );
  assert.equal(contents.keys[0]?.createdAt, 1709618828123456789n);
  assert.equal(contents.secrets[0]?.value.toString(), "value");
  assert.deepEqual(contents.listed, []);
});

test("what a page does not count is read, too: it opens under the master key, which is proof enough", async () => {
  const page = leaf(secretEntry("kept", "1"), secretEntry("left", "2"));
  page.writeUInt16LE(1, 2);
  const contents = await read(file(page));
  assert.deepEqual(
    contents.secrets.map(({ name }) => name),
    ["kept", "left"],
  );
  assert.deepEqual(contents.listed, []);
});

test("what is counted but does not open is listed, and so is what is left of a record that is nowhere whole", async () => {
  const page = leaf(secretEntry("whole", "1"), ["kms:secret:bad", Buffer.alloc(60, 7)], secretEntry("torn", "3"), [
    "other",
    Buffer.alloc(3),
  ]);
  const torn = page.indexOf("kms:secret:torn");
  page.fill(0xff, torn + 20, torn + 60);
  page.writeUInt16LE(60000, torn + 15);
  assert.deepEqual(reasonsOf(await read(file(page))), [
    "secret bad: its record does not open under the master key",
    "secret : only a part of its record is left: the Go server wrote over it",
    "store : 2 entries were written over by the Go server, which ran out of room in a page",
  ]);
  const strange = await read(file(leaf(secretEntry("a", "1"), ["other", Buffer.alloc(3)])));
  assert.deepEqual(reasonsOf(strange), ["store : an entry that is neither a key nor a secret"]);
});

const strangeKeys: readonly (readonly [string, unknown, string])[] = [
  ["another name", keyJson("b"), "its record holds a key of another name"],
  ["an unknown type", keyJson("k", { Type: "aes-128" }), "its type is unknown"],
  ["no type", keyJson("k", { Type: 7 }), "its type is unknown"],
  ["no time", keyJson("k", { CreatedAt: "yesterday" }), "a time in its record cannot be read"],
  ["a strange revocation", keyJson("k", { revoked_at: 1 }), "a time in its record cannot be read"],
  ["no versions", keyJson("k", { Versions: [] }), "its record has no versions, or not one material for each"],
  [
    "versions that are none",
    keyJson("k", { Versions: {} }),
    "its record has no versions, or not one material for each",
  ],
  ["version 2 alone", versions({ Version: 2 }), "version 1 in its record cannot be read"],
  ["a short key", versions({ Material: "AAAA" }), "the material of version 1 is not of type aes-256"],
  ["a key that is not base64", versions({ Material: "!!!!" }), "version 1 in its record cannot be read"],
  ["an AES key as an RSA one", keyJson("k", { Type: "rsa-2048" }), "the material of version 1 is not of type rsa-2048"],
  ["a list", [], "its record is not the JSON of a key"],
  ["nothing", null, "its record is not the JSON of a key"],
  [
    "a time in the future",
    keyJson("k", { CreatedAt: "2025-01-01T01:00:00.002Z" }),
    "it was created before 1970 or in the future",
  ],
  [
    "a time before 1970",
    keyJson("k", { CreatedAt: "1969-12-31T23:59:59.9Z" }),
    "it was created before 1970 or in the future",
  ],
];

function versions(changes: Record<string, unknown>): unknown {
  const [version] = keyJson("k")["Versions"] as object[];
  return keyJson("k", { Versions: [{ ...version, ...changes }] });
}

for (const [what, json, reason] of strangeKeys) {
  test(`a key with ${what} is listed, and the rest is read`, async () => {
    const contents = await read(file(leaf(["kms:key:k", sealed(json)], secretEntry("s", "1"))));
    assert.deepEqual(reasonsOf(contents), [`key k: ${reason}`]);
    assert.deepEqual(contents.keys, []);
    assert.equal(contents.secrets.length, 1);
  });
}

test("secrets that are not what they should be are listed, and so are names that this server does not take", async () => {
  const contents = await read(
    file(
      leaf(
        ["kms:secret:a", sealed(secretJson("b", "1"))],
        ["kms:secret:c", sealed({ ...secretJson("c", "1"), Ciphertext: Buffer.alloc(40).toString("base64") })],
        ["kms:secret:d", sealed({ Name: "d" })],
        secretEntry("with space", "1"),
        secretEntry("-", "1"),
      ),
    ),
  );
  assert.deepEqual(reasonsOf(contents), [
    "secret a: its record holds a secret of another name",
    "secret c: its value does not open under the master key",
    "secret d: its record is not the JSON of a secret",
    "secret -: its name is not one that this server takes",
    "secret with space: its name is not one that this server takes",
  ]);
});

test("of records that tell different things of one time, none is chosen", async () => {
  const contents = await read(
    file(
      leaf(secretEntry("s", "one"), secretEntry("t", "1")),
      leaf(secretEntry("s", "two"), keyEntry("k")),
      leaf(
        keyEntry("k", {
          Versions: [{ Version: 1, Material: "B".repeat(43).concat("="), CreatedAt: keyJson("k")["CreatedAt"] }],
        }),
      ),
    ),
  );
  assert.deepEqual(
    [...contents.keys, ...contents.secrets].map(({ name }) => name),
    ["t"],
  );
  assert.equal(reasonsOf(contents).filter((reason) => reason.endsWith("none is carried over")).length, 2);
});

test("a key of more versions is the newer one, and one whose versions part ways is listed", async () => {
  const at = (second: number) => `2024-03-05T06:08:${String(second).padStart(2, "0")}Z`;
  const [first] = keyJson("k")["Versions"] as object[];
  const version = (number: number, fill: string, time: string) => ({
    Version: number,
    Material: Buffer.alloc(32, fill).toString("base64"),
    CreatedAt: time,
  });
  const contents = await read(
    file(
      leaf(keyEntry("k", { Versions: [first, version(2, "x", at(1))] }), keyEntry("k")),
      leaf(keyEntry("k", { Versions: [first, version(2, "y", at(2)), version(3, "z", at(3))] })),
    ),
  );
  assert.deepEqual(
    contents.keys[0]?.versions.map(({ material }) => material.toString("latin1", 0, 1)),
    ["k", "y", "z"],
  );
  assert.equal(contents.copies, 1);
  assert.match(reasonsOf(contents).join(), /of which the last are not those of the key: the Go server took them back/);
});

test("what is no store of the Go server is refused as such", async () => {
  const good = file(leaf(keyEntry("a")));
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(good);
    copy[at] = value;
    return copy;
  };
  for (const [bytes, code] of [
    [Buffer.alloc(0), "damaged"],
    [Buffer.alloc(PAGE_LENGTH), "damaged"],
    [good.subarray(0, -1), "damaged"],
    [Buffer.concat([good, Buffer.of(0)]), "damaged"],
    [changed(0, 1), "not_a_store"],
    [changed(PAGE_LENGTH, 3), "not_a_store"],
    [changed(2 * PAGE_LENGTH, 9), "not_a_store"],
    [changed(2 * PAGE_LENGTH, 2), "not_a_store"],
    [changed(2 * PAGE_LENGTH + 3, 0xff), "not_a_store"],
    [changed(2 * PAGE_LENGTH + 5, 0x20), "not_a_store"],
    [Buffer.alloc(8 * PAGE_LENGTH, "SQLite format 3"), "not_a_store"],
  ] as const) {
    await assert.rejects(read(bytes), isCode(code));
  }
  await assert.rejects(read(good, Buffer.alloc(32)), isCode("wrong_master_key"));
  rmSync(join(folder, "data.db"));
  const order = { folder, auditLogs: [], olderKeys: false, now: NOW };
  await assert.rejects(readContents(order, MASTER_KEY), isCode("no_store"));
  assert.deepEqual((await read(file(leaf()))).listed, []);
});

test("whatever is done to a store, it is read or refused as what it is, and nothing is made up", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const good = file(leaf(keyEntry("a"), secretEntry("b", "1")), leaf(secretEntry("c", "2"), keyEntry("d")));
  const known = ["a", "b", "c", "d"];
  for (let trial = 0; trial < 120; trial++) {
    const bytes = Buffer.from(good);
    const count = 1 + random.below(20);
    for (let i = 0; i < count; i++) {
      const at = random.below(bytes.length);
      bytes.fill(random.below(256), at, Math.min(bytes.length, at + 1 + random.below(64)));
    }
    const whole = random.below(5) > 0 ? bytes : bytes.subarray(0, random.below(bytes.length));
    try {
      const contents = await read(whole);
      for (const { name } of [...contents.keys, ...contents.secrets]) {
        assert.ok(known.includes(name));
      }
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
    }
  }
});
