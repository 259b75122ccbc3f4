import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { Effect, ERRORS, readOperations } from "@bunkms/contract";
import { makeToken } from "../../packages/server/src/access/token-format.ts";
import type { TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { errorCode, sendRaw } from "./raw-calls.ts";
import { makeObjects, NO_OBJECTS, type Objects, sampleRequest } from "./sample-requests.ts";
import { initialise, type MadeVault, SealCalls, startUninitialised } from "./shamir-vault.ts";
import { readContent } from "./vault-content.ts";

const ROUNDS = 5;
const IN_FLIGHT = 200;

let server: TestServer;
let transports: readonly [Transport, Transport];
let vault: MadeVault;
let calls: SealCalls;
let objects: Objects;

before(async () => {
  server = await startUninitialised();
  transports = bothTransports(server);
  vault = await initialise(transports[1]);
  calls = new SealCalls(transports[0], vault.rootToken);
  objects = await makeObjects(transports[0], vault.rootToken, "kept");
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

test("REQ-20 a sealed vault answers every operation with just that, over both transports, whatever the token", async () => {
  const reader = await calls.asRoot("tokens.create", { display_name: "reader", role: "reader" });
  const content = await readContent(transports[0], vault.rootToken);
  await calls.seal();
  const { http, grpc } = ERRORS.sealed;
  for (const operation of readOperations()) {
    for (const [at, transport] of transports.entries()) {
      for (const token of [vault.rootToken, reader.value["token"] as string, undefined, "nonsense", makeToken("r")]) {
        const isOpen = operation.anonymous && operation.effect === Effect.READ;
        if (["seals.initialise", "seals.unseal"].includes(operation.action)) {
          continue;
        }
        for (const about of [objects, NO_OBJECTS]) {
          const { code, status, value } = await transport.call(operation, sampleRequest(operation, about), { token });
          assert.equal(code, isOpen ? "ok" : "sealed", `${operation.action} over ${transport.name}`);
          assert.ok(isOpen || status === (at === 0 ? http : grpc), operation.action);
          assert.deepEqual(isOpen ? {} : value, {});
        }
      }
    }
  }
  for (const target of ["/v1/nonsense", "/", "/v1/sys/mounts", "/metrics"]) {
    assert.equal(errorCode(await sendRaw(server.url, { target, token: vault.rootToken })), "sealed", target);
  }
  assert.equal((await calls.ask("seals.initialise", { secret_shares: 1 })).code, "already_initialised");
  assert.equal((await calls.status())["state"], "sealed");
  await calls.unseal(vault.shares.slice(0, 3));
  assert.deepEqual(await readContent(transports[0], vault.rootToken), content);
});

test("REQ-28 while the vault is sealed the server lives, and its probes say what it waits for", async () => {
  await calls.seal();
  for (const [target, status] of [
    ["/health", 200],
    ["/ready", 503],
    ["/v1/sys/health", 503],
    ["/v1/sys/health?sealedcode=299", 299],
    ["/v1/sys/health?uninitcode=299&activecode=299", 503],
  ] as const) {
    assert.equal((await sendRaw(server.url, { target })).status, status, target);
  }
  assert.equal(errorCode(await sendRaw(server.url, { target: "/ready" })), "sealed");
  for (const transport of transports) {
    const { state, initialized, sealed, type, t, n, cluster_id } = await new SealCalls(transport).status();
    assert.deepEqual([state, initialized, sealed, type, t, n, cluster_id], ["sealed", true, true, "shamir", 3, 5, ""]);
  }
  await calls.unseal(vault.shares.slice(2));
  assert.equal((await sendRaw(server.url, { target: "/ready" })).status, 200);
  assert.equal((await sendRaw(server.url, { target: "/v1/sys/health" })).status, 200);
});

test("REQ-27 the same shares open the vault after its root key and its barrier key were changed", async () => {
  const content = await readContent(transports[0], vault.rootToken);
  for (const action of ["seals.rotate_root", "seals.rotate_barrier", "seals.rotate_root"]) {
    assert.equal((await calls.asRoot(action)).code, "ok", action);
    await calls.seal();
    await calls.unseal(vault.shares.slice(1, 4));
    assert.deepEqual(await readContent(transports[0], vault.rootToken), content);
  }
});

/** What may be under way when the vault is sealed. */
const UNDER_WAY: readonly (readonly [action: string, request: (i: number) => JsonObject])[] = [
  ["secrets.put", (i) => ({ name: `flight/${i}`, value: `value ${i}` })],
  ["keys.encrypt", () => ({ key_name: objects.key, plaintext: "text" })],
  ["secrets.get", () => ({ name: objects.secret })],
  ["keys.create", (i) => ({ name: `flight-${i}` })],
  ["seals.list_slots", () => ({})],
  ["keys.sign", () => ({ name: objects.signingKey, message_b64: "AAAA" })],
  ["audit.list", () => ({})],
  ["tokens.list", () => ({})],
  ["keys.decrypt", () => ({ key_name: objects.key, ciphertext: objects.ciphertext })],
  ["seals.add_slot", () => ({ kind: "shamir", secret_shares: 2, secret_threshold: 2 })],
  ["seals.rotate_root", () => ({})],
];

test(`REQ-01 what is under way when the vault is sealed is done whole or refused as sealed, ${ROUNDS} times`, async (t) => {
  let done = 0;
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const sent: Promise<readonly [string, number, Answer]>[] = [];
    const send = (count: number): void => {
      for (let k = 0; k < count; k++) {
        const i = round * 10_000 + sent.length;
        const [action, request] = UNDER_WAY[i % UNDER_WAY.length] as (typeof UNDER_WAY)[number];
        const transport = transports[i % 3 === 0 ? 1 : 0] as Transport;
        sent.push(
          transport
            .call(operationOf(action), request(i), { token: vault.rootToken })
            .then((answer) => [action, i, answer] as const),
        );
      }
    };
    send(IN_FLIGHT / 2);
    await sleep(5 * round);
    const sealing = calls.seal();
    send(IN_FLIGHT / 2);
    await sealing;
    const answers = await Promise.all(sent);
    await calls.unseal(vault.shares.slice(round % 3, (round % 3) + 3));
    for (const [action, i, { code, text }] of answers) {
      const isFull = action === "seals.add_slot" && code === "invalid_request";
      const isRaced = action.startsWith("seals.") && code === "conflict";
      assert.ok(code === "ok" || code === "sealed" || isFull || isRaced, `${action}: ${code} ${text}`);
      done += code === "ok" ? 1 : 0;
      refused += code === "sealed" ? 1 : 0;
      if (action === "secrets.put") {
        const kept = await calls.asRoot("secrets.get", { name: `flight/${i}` });
        assert.equal(kept.value["value"], code === "ok" ? `value ${i}` : undefined, `${action} ${code}`);
      }
      if (action === "keys.create") {
        assert.equal(
          (await calls.asRoot("keys.get", { name: `flight-${i}` })).code,
          code === "ok" ? "ok" : "not_found",
        );
      }
    }
  }
  t.diagnostic(`${done} were done, ${refused} refused`);
  assert.ok(done > 0 && refused > 0);
});
