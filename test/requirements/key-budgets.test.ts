import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { create, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { KeyUsageRecordSchema } from "@bunkms/contract/record";
import { ownEntry } from "../../packages/server/src/audit/entry.ts";
import { testSeal } from "../../packages/server/src/boot/test-vault.ts";
import { openMemoryStore } from "../../packages/server/src/store/memory.ts";
import type { Store } from "../../packages/server/src/store/store.ts";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import { type Answer, operationOf, type Transport } from "./operation-call.ts";

const BLOCK = 2 ** 16;
const CALLERS = 64;
/** Key types that count their messages, and how many they allow. */
const BUDGETS = {
  "aes-256-gcm": 2 ** 32,
  "aes-128-gcm": 2 ** 32,
  "chacha20-poly1305": 2 ** 32,
  "aes-256-gcm-siv": 2 ** 48,
};

let server: InProcessServer;

before(async () => {
  server = await startInProcess();
});

after(() => server[Symbol.asyncDispose]());

function call(i: number, action: string, request: JsonObject, on = server): Promise<Answer> {
  return (on.transports[i % 2] as Transport).call(operationOf(action), request, { token: on.rootToken });
}

/** Makes a key that has only so many messages of its budget left: what 2^32 messages would do, written at once. */
async function keyWithBudget(name: string, type: keyof typeof BUDGETS, left: number, on = server): Promise<void> {
  const { id } = await on.value("keys.create", { name, type });
  const reserved = BigInt(BUDGETS[type] - left);
  const { vault, committer } = on.unsealed;
  const payload = toBinary(
    KeyUsageRecordSchema,
    create(KeyUsageRecordSchema, { versions: [{ version: 1, reserved }] }),
  );
  await committer.submit(ownEntry("test", "", Date.now()), {
    result: undefined,
    changes: [{ table: "key-usage", path: id as string, payload, previous: null }],
    committed: () => vault.usage.forget(),
    discard: () => {},
  });
}

for (const type of Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]) {
  test(`REQ-16 a key of type ${type} refuses at the limit of its messages, and goes on with its next version`, async () => {
    const name = `spent-${type}`;
    await keyWithBudget(name, type, 0);
    for (const [i, [action, request]] of (
      [
        ["keys.encrypt", { key_name: name, plaintext: "text" }],
        ["keys.encrypt", { key_name: name, plaintext: "text", version: 1 }],
        ["keys.generate_data_key", { name }],
        ["keys.generate_wrapped_data_key", { name }],
        ["keys.encrypt_batch", { key_name: name, items: [{ plaintext: "text" }] }],
        ["keys.generate_data_key_batch", { name, items: [{}] }],
      ] as const
    ).entries()) {
      const answer = await call(i, action, request as JsonObject);
      assert.equal(answer.code, "wrong_key_state", `${action}: ${answer.text}`);
      assert.match(answer.text, /rotate the key/);
    }
    await server.value("keys.rotate", { name });
    const made = await server.value("keys.encrypt", { key_name: name, plaintext: "text" });
    assert.equal(made["version"], 2);
    const old = await server.call("keys.encrypt", { key_name: name, plaintext: "text", version: 1 });
    assert.equal(old.code, "wrong_key_state");
    const opened = await server.value("keys.decrypt", { key_name: name, ciphertext: made["ciphertext"] as string });
    assert.equal(opened["plaintext"], "text");
  });
}

test("REQ-16 a key that has nearly spent its messages rotates by itself, and what it encrypted still opens", async () => {
  await keyWithBudget("nearly", "aes-256-gcm", BLOCK);
  const request = { key_name: "nearly", plaintext: "text" };
  const { ciphertext, version } = await server.value("keys.encrypt", request);
  assert.equal(version, 1);
  await server.roundAt(Date.now());
  assert.equal((await server.value("keys.encrypt", request))["version"], 2);
  assert.equal(
    (await server.value("keys.decrypt", { key_name: "nearly", ciphertext: ciphertext as string }))["plaintext"],
    "text",
  );
  await server.roundAt(Date.now());
  assert.equal((await server.value("keys.get", { name: "nearly" }))["latest_version"], 2);
});

test("REQ-16 whoever goes on encrypting with a version that is nearly spent does not rotate its newer ones", async () => {
  await keyWithBudget("old-version", "aes-256-gcm", BLOCK);
  await server.value("keys.rotate", { name: "old-version" });
  await server.value("keys.encrypt", { key_name: "old-version", plaintext: "text", version: 1 });
  await server.roundAt(Date.now());
  assert.equal((await server.value("keys.get", { name: "old-version" }))["latest_version"], 2);
});

test("REQ-16 a batch that the budget does not hold any more is refused as a whole", async () => {
  await keyWithBudget("batch", "aes-256-gcm", BLOCK);
  const items = Array.from({ length: 1000 }, () => ({ plaintext: "x" }));
  // By its version: the server's own work rotates the key while this goes on, and the next version has a budget of its own.
  const request = { key_name: "batch", items, version: 1 };
  let encrypted = 0;
  while (encrypted <= BLOCK) {
    const answer = await call(encrypted, "keys.encrypt_batch", request);
    if (answer.code !== "ok") {
      assert.equal(answer.code, "wrong_key_state", answer.text);
      break;
    }
    encrypted += 1000;
  }
  assert.equal(encrypted, 65_000);
  for (let i = 0; i < BLOCK - encrypted; i++) {
    assert.equal((await call(i, "keys.encrypt", { key_name: "batch", plaintext: "x", version: 1 })).code, "ok", `${i}`);
  }
  assert.equal(
    (await call(0, "keys.encrypt", { key_name: "batch", plaintext: "x", version: 1 })).code,
    "wrong_key_state",
  );
  const { versions } = await server.value("keys.get", { name: "batch" });
  const first = (versions as { version: number; uses: string }[]).find(({ version }) => version === 1);
  assert.equal(first?.uses, String(BLOCK));
});

/** A store that outlives its server. */
function lasting(store: Store): Store {
  return {
    get: store.get.bind(store),
    getMany: store.getMany.bind(store),
    list: store.list.bind(store),
    listRevisions: store.listRevisions.bind(store),
    commit: store.commit.bind(store),
    close: async () => {},
  };
}

test("REQ-16 a restart forgets what is left of a block, and never gives a message twice", async () => {
  const store = openMemoryStore();
  const seal = testSeal();
  let rootToken = "";
  for (let start = 0; start < 3; start++) {
    await using opened = await startInProcess({ store: lasting(store), seal, rootToken });
    rootToken = opened.rootToken;
    if (start === 0) {
      await keyWithBudget("restarted", "aes-256-gcm", 2 * BLOCK, opened);
    }
    const answer = await call(0, "keys.encrypt", { key_name: "restarted", plaintext: "text" }, opened);
    assert.equal(answer.code, start < 2 ? "ok" : "wrong_key_state", `start ${start}: ${answer.text}`);
  }
});

test("COSMIAN-2026-005 what 64 callers encrypt at once, when a block is reserved, opens to what each of them gave", async () => {
  for (const [type, member] of [
    ["aes-256-gcm", "plaintext_b64"],
    ["aes-256-gcm", "plaintext"],
    ["aes-256-gcm-siv", "plaintext_b64"],
  ] as const) {
    const name = `first-block-${type}-${member}`;
    await server.value("keys.create", { name, type });
    const texts = Array.from({ length: CALLERS }, (_, i) => `plaintext of caller ${i}`);
    const given = (text: string) => (member === "plaintext" ? text : Buffer.from(text).toString("base64"));
    const answers = await Promise.all(
      texts.map((text, i) => call(i, "keys.encrypt", { key_name: name, [member]: given(text) })),
    );
    for (const [i, { code, text, value }] of answers.entries()) {
      assert.equal(code, "ok", text);
      const opened = await server.value("keys.decrypt", { key_name: name, ciphertext: value["ciphertext"] as string });
      assert.equal(opened["plaintext"], texts[i], `caller ${i} of ${name}`);
    }
  }
});

test("batches of 240 callers at once, which need several blocks, are all answered", async () => {
  await server.value("keys.create", { name: "crowd", type: "aes-256-gcm" });
  const items = Array.from({ length: 1000 }, () => ({ plaintext: "x" }));
  const answers = await Promise.all(
    Array.from({ length: 240 }, (_, i) => call(i, "keys.encrypt_batch", { key_name: "crowd", items })),
  );
  assert.deepEqual([...new Set(answers.map(({ code }) => code))], ["ok"]);
  const { versions } = await server.value("keys.get", { name: "crowd" });
  assert.equal((versions as { uses: string }[])[0]?.uses, String(240 * 1000));
});

test("64 uses at once count as 64, also when some of them are planned anew", async () => {
  await server.value("keys.create", { name: "counted", type: "aes-256-gcm" });
  const request = { key_name: "counted", plaintext: "text" };
  const answers = await Promise.all(Array.from({ length: CALLERS }, (_, i) => call(i, "keys.encrypt", request)));
  assert.ok(answers.every(({ code }) => code === "ok"));
  const { versions } = await server.value("keys.get", { name: "counted" });
  assert.equal((versions as { uses: string }[])[0]?.uses, String(CALLERS));
});
