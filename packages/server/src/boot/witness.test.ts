import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import type { Vault } from "../vault/vault.ts";
import { testVault } from "./test-vault.ts";
import { Witness } from "./witness.ts";

type Witnessed = Pick<Vault, "root" | "witnessKey">;

const { vault } = await testVault();
const { vault: other } = await testVault();
const AT = { generation: 7, entries: 40 } as const;

function pathFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-witness-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "witness");
}

/** A file that remembers a vault at generation 7 with 40 entries. */
async function remembered(context: TestContext, whose: Witnessed = vault): Promise<string> {
  const path = pathFor(context);
  await new Witness(path, undefined).remember(whose, AT);
  return path;
}

const check = (path: string, position: { generation: number; entries: number }, accepted?: number): boolean =>
  new Witness(path, accepted).check(vault, position);

test("a missing file lets every vault through", (context) => {
  assert.equal(check(pathFor(context), { generation: 0, entries: 0 }), false);
});

test("a vault is made only where nothing has the file's name: neither another vault's witness file nor any other", async (context) => {
  const path = pathFor(context);
  new Witness(path, undefined).refuseForNew();
  writeFileSync(path, "a master key");
  assert.throws(() => new Witness(path, undefined).refuseForNew(), /is there, but there is no vault/);
  assert.throws(() => new Witness(dirname(path), 7).refuseForNew(), /is there, but there is no vault/);
});

test("the same and a later vault are let through", async (context) => {
  const path = await remembered(context);
  for (const position of [AT, { generation: 7, entries: 41 }, { generation: 8, entries: 41 }]) {
    assert.equal(check(path, position), false);
  }
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("REQ-09 a vault of fewer mutations or fewer entries is refused, and the text says how it is opened on purpose", async (context) => {
  const path = await remembered(context);
  for (const position of [
    { generation: 6, entries: 40 },
    { generation: 7, entries: 39 },
    { generation: 6, entries: 50 },
    { generation: 0, entries: 0 },
  ]) {
    assert.throws(
      () => check(path, position),
      (error) => error instanceof VaultRolledBack && error.message.includes(`--accept-rollback ${position.generation}`),
    );
  }
});

test("REQ-09 only the generation that the operator names is accepted", async (context) => {
  const path = await remembered(context);
  assert.equal(check(path, { generation: 6, entries: 30 }, 6), true);
  assert.throws(() => check(path, { generation: 5, entries: 20 }, 6), VaultRolledBack);
  assert.throws(() => check(path, { generation: 6, entries: 30 }, 7), VaultRolledBack);
  // Nothing is older, so nothing is accepted: a flag that was left there is no licence.
  assert.equal(check(path, AT, 7), false);
});

test("REQ-09 a file that was changed or damaged anywhere is refused, not taken for none", async (context) => {
  const path = await remembered(context);
  const text = readFileSync(path, "latin1");
  const cluster = vault.root.cluster.toString("hex");
  const forms = [
    ...[...text].map((_, at) => text.slice(0, at)),
    `${text}\n`,
    `${text}more`,
    text.replace("generation 7", "generation 6"),
    text.replace("entries 40", "entries 4"),
    text.replace("generation 7", "generation 07"),
    text.replaceAll("\n", "\r\n"),
    text.toUpperCase(),
    `bunkms witness v1\ncluster ${cluster}\ngeneration 7\nentries 40\n`,
    "x".repeat(100_000),
    text.repeat(10),
  ];
  for (const form of forms) {
    writeFileSync(path, form, "latin1");
    assert.throws(() => check(path, AT, 7), VaultRolledBack, JSON.stringify(form.slice(0, 200)));
  }
});

test("another vault's file is refused: two that write one file would both go unwitnessed", async (context) => {
  const path = await remembered(context, other);
  assert.throws(() => check(path, AT), /another vault.*a file of its own/);
});

test("what another vault's key signed in the name of this one is refused", async (context) => {
  const path = await remembered(context, { root: vault.root, witnessKey: other.witnessKey });
  assert.throws(() => check(path, AT), VaultRolledBack);
});

test("a file that cannot be read stops the start", (context) => {
  const path = pathFor(context);
  mkdirSync(path);
  assert.throws(() => check(path, AT), /witness file cannot be read/);
});

test("a file that cannot be written is reported, and the next time it is tried again", async (context) => {
  const path = join(pathFor(context), "missing", "witness");
  const witness = new Witness(path, undefined);
  await assert.rejects(witness.remember(vault, AT), /ENOENT/);
  mkdirSync(join(path, ".."), { recursive: true });
  await witness.remember(vault, AT);
  assert.throws(() => check(path, { generation: 6, entries: 40 }), VaultRolledBack);
});

test("what is there is not written again, and several at once end with the last", async (context) => {
  const path = await remembered(context);
  const witness = new Witness(path, undefined);
  await Promise.all([1, 2, 3, 4, 5].map((entries) => witness.remember(vault, { generation: 9, entries })));
  assert.match(readFileSync(path, "latin1"), /generation 9\nentries 5\n/);
  const { ino } = statSync(path);
  await witness.remember(vault, { generation: 9, entries: 5 });
  assert.equal(statSync(path).ino, ino);
  assert.deepEqual(readdirSync(join(path, "..")), ["witness"]);
});

test("a draft that was left behind by a crash is written over, and never read", async (context) => {
  const path = await remembered(context);
  writeFileSync(`${path}.new`, "half");
  assert.equal(check(path, AT), false);
  await new Witness(path, undefined).remember(vault, { generation: 8, entries: 41 });
  assert.match(readFileSync(path, "latin1"), /generation 8\n/);
});
