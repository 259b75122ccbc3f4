import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import {
  addVersion,
  createKey,
  FAMILIES,
  type Family,
  KEY_OPERATIONS,
  type Made,
  makeWith,
  NOTHING,
  operationsOnKeys,
} from "./key-operations.ts";
import { type Answer, operationOf, type Transport } from "./operation-call.ts";

let server: InProcessServer;

const DONE_OR_NOT = ["ok", "wrong_key_state", "invalid_key_material", "insecure_transport"];

before(async () => {
  server = await startInProcess();
});

after(() => server[Symbol.asyncDispose]());

function call(i: number, action: string, request: JsonObject, token = server.rootToken): Promise<Answer> {
  const transport = server.transports[i % 2] as Transport;
  return transport.call(operationOf(action), request, { token, requestId: `${action}.${i}.${token === "" ? 0 : 1}` });
}

async function entryOf(answer: Answer): Promise<TrailEntry> {
  const { entries } = await readTrail(server.transports[0], server.rootToken);
  return entries.find(({ request_id }) => request_id === answer.requestId) ?? assert.fail(answer.requestId);
}

/** Operations on a key that take `@` and an alias in the place of its name. */
function takingAliases(): readonly string[] {
  return operationsOnKeys()
    .filter(({ action, resource }) => resource.startsWith("key/") && !["keys.create", "keys.restore"].includes(action))
    .map(({ action }) => action);
}

test("REQ-22 every operation takes an alias, and is authorised and recorded as one on the key itself", async () => {
  const made = new Map<Family, Made>();
  for (const family of Object.keys(FAMILIES) as Family[]) {
    await createKey(server, family, `of-${family}`);
    made.set(family, await makeWith(server, family, `of-${family}`));
    await addVersion(server, family, `of-${family}`);
    await server.value("aliases.set", { alias: family, key_name: `of-${family}` });
  }
  for (const action of takingAliases()) {
    const row = KEY_OPERATIONS[action];
    if (row === undefined) {
      continue;
    }
    for (const i of [0, 1]) {
      const name: string = `of-${row.family}`;
      const request = row.request({ name: `@${row.family}`, made: made.get(row.family) as Made }, 1);
      const answer = await call(i, action, request);
      // What another call did to the same key before may keep this one from being done, not from being found.
      assert.ok(DONE_OR_NOT.includes(answer.code), `${action}: ${answer.code} ${answer.text}`);
      assert.ok(!JSON.stringify(answer.value).includes(`"@`), action);
      const entry = await entryOf(answer);
      assert.equal(entry.resource, `key/${name}`, action);
      assert.equal(entry.request["alias"], `@${row.family}`, action);
      const recorded = entry.request["name"] ?? entry.request["key_name"];
      assert.equal(recorded, name, action);
      if (action === "keys.disable" || action === "keys.revoke") {
        await server.value("keys.enable", { name });
      } else if (action === "keys.schedule_deletion") {
        await server.value("keys.cancel_deletion", { name });
        await server.value("keys.enable", { name });
      }
    }
  }
});

test("REQ-22 who may not use a key may not by its alias either, and the log names the key", async () => {
  await server.value("keys.create", { name: "guarded" });
  await server.value("aliases.set", { alias: "way-round", key_name: "guarded" });
  const reader = (await server.value("tokens.create", { display_name: "reader", role: "reader" }))["token"] as string;
  for (const name of ["guarded", "@way-round", "@none", "none"]) {
    for (const i of [0, 1]) {
      const answer = await call(i, "keys.encrypt", { key_name: name, plaintext: "x" }, reader);
      assert.deepEqual([answer.code, answer.value], ["permission_denied", {}], name);
    }
  }
  const { entries } = await readTrail(server.transports[0], server.rootToken);
  const refused = entries.filter(({ outcome }) => outcome === "permission_denied");
  assert.deepEqual(refused.map(({ resource, request }) => [resource, request["alias"]]).reverse(), [
    ...[
      ["key/guarded", undefined],
      ["key/guarded", undefined],
      ["key/guarded", "@way-round"],
    ],
    ...[
      ["key/guarded", "@way-round"],
      ["key/@none", undefined],
      ["key/@none", undefined],
    ],
    ...[
      ["key/none", undefined],
      ["key/none", undefined],
    ],
  ]);
});

test("REQ-24 an alias that leads nowhere answers as a key that is not there", async () => {
  for (const action of takingAliases()) {
    const row = KEY_OPERATIONS[action];
    if (row === undefined) {
      continue;
    }
    const made = {
      ...NOTHING,
      ciphertext: "AAAA",
      signature: "AAAA",
      mac: "AAAA",
      encapsulation: "AAAA",
      wrapped: "AAAA",
    };
    for (const i of [0, 1]) {
      const [alias, key]: readonly Answer[] = await Promise.all(
        ["@nowhere", "nowhere"].map((name): Promise<Answer> => call(i, action, row.request({ name, made }, 1))),
      );
      const without = ({ requestId: _, ...rest }: Answer) => rest;
      assert.deepEqual(without(alias as Answer), without(key as Answer), action);
      assert.ok(alias?.code === "not_found" || alias?.code === "insecure_transport", `${action}: ${alias?.code}`);
    }
  }
});

test("an alias is moved in one step: of readings at the same time none finds nothing, and each finds one of the two keys", async () => {
  for (const name of ["blue", "green"]) {
    await server.value("keys.create", { name });
  }
  await server.value("aliases.set", { alias: "live", key_name: "blue" });
  let moving = true;
  const found = new Set<unknown>();
  const readers = Array.from({ length: 8 }, async (_, i) => {
    while (moving) {
      const answer = await call(i, "keys.get", { name: "@live" });
      assert.equal(answer.code, "ok", answer.text);
      found.add(answer.value["name"]);
    }
  });
  for (let i = 0; i < 60; i++) {
    const key_name = i % 2 === 0 ? "green" : "blue";
    const moved = await call(i, "aliases.set", { alias: "live", key_name });
    assert.deepEqual([moved.code, moved.value["key_name"]], ["ok", key_name]);
    assert.equal((await call(i, "keys.get", { name: "@live" })).value["name"], key_name);
  }
  moving = false;
  await Promise.all(readers);
  assert.deepEqual([...found].toSorted(), ["blue", "green"]);
});

test("an alias of a destroyed key tells what became of it, and can be moved on but not to it", async () => {
  await server.value("keys.create", { name: "doomed" });
  await server.value("aliases.set", { alias: "legacy", key_name: "doomed" });
  const { ciphertext } = await server.value("keys.encrypt", { key_name: "@legacy", plaintext: "text" });
  const { deletion_at } = await server.value("keys.schedule_deletion", { name: "@legacy", window_days: 7 });
  await server.roundAt(Date.parse(deletion_at as string));
  assert.equal((await server.value("keys.get", { name: "@legacy" }))["state"], "destroyed");
  const opened = await server.call("keys.decrypt", { key_name: "@legacy", ciphertext: ciphertext as string });
  assert.equal(opened.code, "wrong_key_state");
  const again = await server.call("aliases.set", { alias: "legacy", key_name: "doomed" });
  assert.equal(again.code, "wrong_key_state");
  assert.equal((await server.value("aliases.get", { alias: "legacy" }))["key_name"], "doomed");
  assert.equal((await server.value("aliases.set", { alias: "legacy", key_name: "blue" }))["key_name"], "blue");
  assert.equal((await server.value("keys.get", { name: "@legacy" }))["name"], "blue");
  await server.value("aliases.delete", { alias: "legacy" });
  assert.equal((await server.call("keys.get", { name: "@legacy" })).code, "not_found");
  assert.equal((await server.call("aliases.delete", { alias: "legacy" })).code, "not_found");
});

test("REQ-22 keys and aliases are two rooms of names: neither stands for the other, and an alias leads to no alias", async () => {
  await server.value("keys.create", { name: "same" });
  await server.value("aliases.set", { alias: "same", key_name: "blue" });
  assert.equal((await server.value("keys.get", { name: "same" }))["name"], "same");
  assert.equal((await server.value("keys.get", { name: "@same" }))["name"], "blue");
  for (const [action, request] of [
    ["aliases.set", { alias: "chain", key_name: "@same" }],
    ["aliases.set", { alias: "@same", key_name: "blue" }],
    ["aliases.get", { alias: "@same" }],
    ["aliases.delete", { alias: "@same" }],
    ["keys.create", { name: "@same" }],
    ["keys.get", { name: "@@same" }],
    ["keys.get", { name: "@" }],
    ["keys.get", { name: "same@" }],
    ["keys.get", { name: `@${"a".repeat(257)}` }],
  ] as const) {
    for (const i of [0, 1]) {
      const answer = await call(i, action, request);
      assert.equal(answer.code, "invalid_request", `${action} ${JSON.stringify(request)}: ${answer.code}`);
    }
  }
  const none = await server.call("aliases.set", { alias: "to-nothing", key_name: "never" });
  assert.equal(none.code, "not_found");
  assert.equal((await server.call("aliases.get", { alias: "to-nothing" })).code, "not_found");
});
