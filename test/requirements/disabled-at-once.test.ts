import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { readTrail } from "./audit-trail.ts";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import { type Answer, operationOf, type Transport } from "./operation-call.ts";

const MESSAGE = Buffer.from("message").toString("base64");

let server: InProcessServer;

before(async () => {
  server = await startInProcess();
});

after(() => server[Symbol.asyncDispose]());

/** One call, the i-th over REST or gRPC in turn. */
function call(i: number, action: string, request: JsonObject): Promise<Answer> {
  return (server.transports[i % 2] as Transport).call(operationOf(action), request, { token: server.rootToken });
}

const HOW = [
  { what: "the key", stop: "keys.disable", more: {} },
  { what: "its version", stop: "keys.disable_version", more: { version: 1 } },
  { what: "the key for good", stop: "keys.schedule_deletion", more: {} },
] as const;

for (const { what, stop, more } of HOW) {
  test(`REQ-23 COSMIAN-2026-008 a signature that takes long is not given out once ${what} is disabled meanwhile`, async () => {
    const name = `slow-${stop}`;
    await server.value("keys.create", { name, type: "slh-dsa-sha2-192s" });
    const request = { name, message_b64: MESSAGE };
    const signing = [0, 1].map((i) => call(i, "keys.sign", request));
    const batch = call(0, "keys.sign_batch", { name, items: [{ message_b64: MESSAGE }] });
    let isDone = false;
    void Promise.race([...signing, batch]).then(() => {
      isDone = true;
    });
    await sleep(30);
    await server.value(stop, { name, ...more });
    assert.equal(isDone, false, "the signature was too fast to prove anything");
    for (const answer of await Promise.all([...signing, batch])) {
      assert.deepEqual([answer.code, answer.value], ["wrong_key_state", {}], answer.text);
    }
    const { versions } = await server.value("keys.get", { name });
    assert.equal((versions as { uses: string }[])[0]?.uses, "0", "a signature that nobody got is no use");
  });
}

test("REQ-23 COSMIAN-2026-008 signatures, verifications and codes under way end when the key is disabled", async () => {
  await server.value("keys.create", { name: "busy", type: "rsa-4096" });
  const signatures = Array.from({ length: 64 }, (_, i) => call(i, "keys.sign", { name: "busy", message_b64: MESSAGE }));
  await Promise.race(signatures);
  await server.value("keys.disable", { name: "busy" });
  const codes = (await Promise.all(signatures)).map(({ code }) => code);
  assert.deepEqual([...new Set(codes)].toSorted(), ["ok", "wrong_key_state"]);
  assert.equal((await call(0, "keys.sign", { name: "busy", message_b64: MESSAGE })).code, "wrong_key_state");
});

test("REQ-23 COSMIAN-2026-008 no batch under way gives anything out once its key is disabled", async () => {
  const count = 120;
  const all = <T>(item: T): T[] => Array.from({ length: count }, () => item);
  await server.value("keys.create", { name: "batch-signs", type: "rsa-4096" });
  await server.value("keys.create", { name: "batch-opens", type: "rsa-4096", purpose: "encrypt" });
  const { ciphertext } = await server.value("keys.encrypt", { key_name: "batch-opens", plaintext: "text" });
  const item = { ciphertext: ciphertext as string };
  for (const [action, name, request] of [
    ["keys.sign_batch", "batch-signs", { name: "batch-signs", items: all({ message_b64: MESSAGE }) }],
    ["keys.decrypt_batch", "batch-opens", { key_name: "batch-opens", items: all(item) }],
    ["keys.rewrap_batch", "batch-opens", { name: "batch-opens", items: all(item) }],
  ] as const) {
    let isDone = false;
    const batch = call(0, action, request);
    void batch.then(() => {
      isDone = true;
    });
    await sleep(40);
    await server.value("keys.disable", { name });
    assert.equal(isDone, false, "the batch was too fast to prove anything");
    const { code, value } = await batch;
    const results = (value["results"] ?? []) as { error?: object }[];
    const given = results.filter(({ error }) => error === undefined).length;
    assert.equal(given, 0, `${action}: ${code}, and ${given} of ${count} results left after the key was disabled`);
    await server.value("keys.enable", { name });
  }
});

/** Uses of keys that leave something in a cache: a derived key, an opened version, a public key. */
async function warmUses(): Promise<readonly (readonly [action: string, request: JsonObject])[]> {
  const context = { tenant: "a" };
  const keys = [
    { name: "derived", derived: true },
    { name: "derived-xaes", type: "xaes-256-gcm", derived: true },
    { name: "fixed", type: "aes-256-gcm-siv", deterministic: true },
    { name: "plain" },
    { name: "oaep", type: "rsa-2048", purpose: "encrypt" },
  ];
  const uses: (readonly [string, JsonObject])[] = [];
  for (const key of keys) {
    await server.value("keys.create", key);
    const bound = key.name === "oaep" ? {} : { context };
    const request = { key_name: key.name, plaintext: "text", ...bound };
    const { ciphertext } = await server.value("keys.encrypt", request);
    uses.push(["keys.encrypt", request]);
    uses.push(["keys.decrypt", { key_name: key.name, ciphertext: ciphertext as string, ...bound }]);
    uses.push(["keys.generate_data_key", { name: key.name, ...bound }]);
  }
  await server.value("keys.create", { name: "ed", type: "ed25519" });
  const { signature_b64 } = await server.value("keys.sign", { name: "ed", message_b64: MESSAGE });
  uses.push(["keys.sign", { name: "ed", message_b64: MESSAGE }]);
  uses.push(["keys.verify", { name: "ed", message_b64: MESSAGE, signature_b64: signature_b64 as string }]);
  await server.value("keys.create", { name: "kem", type: "x-wing" });
  const { encapsulation_b64 } = await server.value("keys.encapsulate", { name: "kem" });
  uses.push(["keys.encapsulate", { name: "kem" }]);
  uses.push(["keys.decapsulate", { name: "kem", encapsulation_b64: encapsulation_b64 as string }]);
  return uses;
}

test("REQ-23 COSMIAN-2026-008 no cache lets a disabled key or version work, and what is enabled again does", async () => {
  const uses = await warmUses();
  const nameOf = (request: JsonObject): string => (request["name"] ?? request["key_name"]) as string;
  const names = [...new Set(uses.map(([, request]) => nameOf(request)))];
  const expectAll = async (code: string): Promise<void> => {
    for (const [i, [action, request]] of uses.entries()) {
      assert.equal((await call(i, action, request)).code, code, `${action} ${nameOf(request)}`);
      assert.equal((await call(i + 1, action, request)).code, code, `${action} ${nameOf(request)}`);
    }
  };
  await expectAll("ok");
  for (const [off, on, more] of [
    ["keys.disable", "keys.enable", {}],
    ["keys.disable_version", "keys.enable_version", { version: 1 }],
  ] as const) {
    for (const name of names) {
      await server.value(off, { name, ...more });
    }
    await expectAll("wrong_key_state");
    for (const name of names) {
      await server.value(on, { name, ...more });
    }
    await expectAll("ok");
  }
});

test("COSMIAN-2026-011 between the answers to a disabling and an enabling nothing is encrypted, whatever is under way", async () => {
  await server.value("keys.create", { name: "toggled" });
  const request = { key_name: "toggled", plaintext: "text" };
  let toggling = true;
  const codes = new Set<string>();
  const background = Array.from({ length: 6 }, async (_, i) => {
    while (toggling) {
      codes.add((await call(i, "keys.encrypt", request)).code);
    }
  });
  for (let round = 0; round < 40; round++) {
    for (const [action, expected] of [
      ["keys.disable", "wrong_key_state"],
      ["keys.enable", "ok"],
    ] as const) {
      assert.equal((await call(round, action, { name: "toggled" })).code, "ok");
      const now = await Promise.all(Array.from({ length: 8 }, (_, i) => call(i, "keys.encrypt", request)));
      assert.deepEqual([...new Set(now.map(({ code }) => code))], [expected], `${action}, round ${round}`);
    }
  }
  toggling = false;
  await Promise.all(background);
  assert.deepEqual([...codes].toSorted(), ["ok", "wrong_key_state"]);
});

test("COSMIAN-2026-011 a first use that reserves a budget, at once with the key's end, comes before it or not at all", async () => {
  for (let i = 0; i < 30; i++) {
    const name = `gcm-${i}`;
    await server.value("keys.create", { name, type: "aes-256-gcm" });
    const [, used] = await Promise.all([
      call(i, "keys.disable", { name }),
      call(i, "keys.encrypt", { key_name: name, plaintext: "p" }),
    ]);
    assert.match(used.code, /^(ok|wrong_key_state)$/);
  }
});

test("REQ-23 a call that takes long is neither answered nor recorded as done once its token is revoked", async () => {
  await server.value("keys.create", { name: "long", type: "slh-dsa-sha2-192s" });
  const made = await server.value("tokens.create", { display_name: "leaving", role: "operator" });
  const token = made["token"] as string;
  const signing = server.transports.map((transport) =>
    transport.call(operationOf("keys.sign"), { name: "long", message_b64: MESSAGE }, { token }),
  );
  await sleep(30);
  await server.value("tokens.revoke", { id: made["id"] as string });
  for (const answer of await Promise.all(signing)) {
    assert.deepEqual([answer.code, answer.value], ["unauthenticated", {}], answer.text);
  }
  const { entries } = await readTrail(server.transports[0], server.rootToken);
  const own = entries.filter(({ resource, operation }) => resource === "key/long" && operation === "keys.sign");
  assert.deepEqual(
    own.map(({ outcome }) => outcome),
    ["unauthenticated", "unauthenticated"],
  );
});

test("COSMIAN-2026-011 the log has no successful use of a key after the entry that disabled it", async () => {
  const { entries } = await readTrail(server.transports[0], server.rootToken);
  const disabled = new Set<string>();
  const late: string[] = [];
  let uses = 0;
  for (const { index, operation, resource, outcome } of entries.toReversed()) {
    if (outcome !== "ok") {
      continue;
    }
    if (operation === "keys.disable" || operation === "keys.schedule_deletion") {
      disabled.add(resource);
    } else if (operation === "keys.enable") {
      disabled.delete(resource);
    } else if (/^keys\.(encrypt|decrypt|sign|verify|generate|encapsulate|decapsulate)/.test(operation)) {
      uses += 1;
      if (disabled.has(resource)) {
        late.push(`entry ${index}: ${operation} ${resource}`);
      }
    }
  }
  assert.ok(uses > 200);
  assert.deepEqual(late.slice(0, 5), [], `${late.length} of ${uses}`);
});
