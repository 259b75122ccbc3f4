import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { createClient } from "@bunkms/client";
import { Effect, ERRORS, RETRY_AFTER_S, readOperations } from "@bunkms/contract";
import { makeToken } from "../../packages/server/src/access/token-format.ts";
import type { TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { errorCode, sendRaw } from "./raw-calls.ts";
import { NO_OBJECTS, sampleRequest } from "./sample-requests.ts";
import { type MadeVault, madeVault, SealCalls, startUninitialised } from "./shamir-vault.ts";

const CALLERS = 64;

let server: TestServer;
let transports: readonly [Transport, Transport];
let made: MadeVault;

before(async () => {
  server = await startUninitialised();
  transports = bothTransports(server);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

test("REQ-20 before there is a vault every operation that needs one says so, over both transports, whatever the token", async () => {
  const { http, grpc } = ERRORS.not_initialised;
  for (const operation of readOperations()) {
    for (const [at, transport] of transports.entries()) {
      for (const token of [undefined, "nonsense", makeToken("r")]) {
        if (operation.action === "seals.initialise") {
          continue;
        }
        const request = { ...sampleRequest(operation, NO_OBJECTS) };
        const { code, status } = await transport.call(operation, request, { token });
        const isOpen = operation.anonymous && operation.effect === Effect.READ;
        assert.equal(code, isOpen ? "ok" : "not_initialised", `${operation.action} over ${transport.name}`);
        assert.ok(isOpen || status === (at === 0 ? http : grpc), operation.action);
      }
    }
  }
  for (const target of ["/v1/nonsense", "/", "/v1/sys/mounts"]) {
    assert.equal(errorCode(await sendRaw(server.url, { target })), "not_initialised", target);
  }
});

test("REQ-39 before there is a vault clients are told when to try again, over both transports alike", async () => {
  for (const url of [server.url, `grpc://${server.grpcAddr}`]) {
    const client = createClient({ url, token: makeToken("r"), retry: false });
    try {
      await assert.rejects(client.keys.listKeys({}), { code: "not_initialised", retryAfterMs: RETRY_AFTER_S * 1000 });
    } finally {
      client.close();
    }
  }
});

test("REQ-28 before there is a vault the status and the probes tell just that", async () => {
  for (const transport of transports) {
    const calls = new SealCalls(transport);
    const { state, initialized, sealed, type, progress, cluster_id } = await calls.status();
    assert.deepEqual(
      [state, initialized, sealed, type, progress, cluster_id],
      ["uninitialised", false, true, "shamir", 0, ""],
    );
    assert.deepEqual((await calls.ask("seals.get_init_status")).value, { initialized: false });
  }
  for (const [target, status] of [
    ["/health", 200],
    ["/ready", 503],
    ["/v1/sys/health", 501],
    ["/v1/sys/health?uninitcode=204&sealedcode=299", 204],
    ["/v1/sys/health?uninitcode=wrong", 501],
    ["/v1/sys/health?uninitcode=99", 501],
  ] as const) {
    assert.equal((await sendRaw(server.url, { target })).status, status, target);
  }
});

test("REQ-28 an initialisation that asks for what cannot be is refused, and there still is no vault", async () => {
  const wrong: readonly JsonObject[] = [
    {},
    ...[
      [1, 2],
      [5, 1],
      [2, 3],
      [0, 3],
      [3, 0],
      [256, 3],
      [255, 256],
    ].map(([secret_shares = 0, secret_threshold = 0]) => ({
      secret_shares,
      secret_threshold,
    })),
    { secret_shares: 2, secret_threshold: 2, share_recipients: ["age1nonsense", "age1nonsense"] },
    { secret_shares: 2, secret_threshold: 2, share_recipients: ["age1nonsense"] },
    { secret_shares: 2, secret_threshold: 2, recovery_shares: 2 },
    { secret_shares: 2, secret_threshold: 2, pgp_keys: ["keybase:somebody", "keybase:somebody"] },
  ];
  for (const request of wrong) {
    for (const transport of transports) {
      const { code, text } = await transport.call(operationOf("seals.initialise"), request);
      assert.equal(code, "invalid_request", `${JSON.stringify(request)}: ${text}`);
    }
  }
  assert.equal((await new SealCalls(transports[0]).status())["state"], "uninitialised");
});

test(`REQ-27 of ${CALLERS} who initialise at once exactly one makes the vault, and nobody else gets shares`, async () => {
  const request = { secret_shares: 5, secret_threshold: 3 };
  const answers = await Promise.all(
    Array.from({ length: CALLERS }, (_, i): Promise<Answer> => {
      return (transports[i % 2] as Transport).call(operationOf("seals.initialise"), request, {
        requestId: `init-${i}`,
      });
    }),
  );
  const winners = answers.filter(({ code }) => code === "ok");
  assert.equal(winners.length, 1);
  for (const { code, value } of answers.filter((answer) => answer.code !== "ok")) {
    assert.ok(["already_initialised", "conflict", "too_many_requests"].includes(code), code);
    assert.deepEqual(value, {});
  }
  made = madeVault(winners[0]?.value as JsonObject);
  const again = await transports[0].call(operationOf("seals.initialise"), request);
  assert.equal(again.code, "already_initialised");
});

test("REQ-27 the vault that was made has one slot and one token, and its shares open it after a restart", async () => {
  const calls = new SealCalls(transports[0], made.rootToken);
  assert.equal(((await calls.asRoot("seals.list_slots")).value["slots"] as unknown[]).length, 1);
  assert.equal(((await calls.asRoot("tokens.list")).value["tokens"] as unknown[]).length, 1);
  assert.equal((await calls.asRoot("secrets.put", { name: "kept", value: "value" })).code, "ok");
  assert.equal((await sendRaw(server.url, { target: "/ready" })).status, 200);
  const { dataPath } = server;
  closeAll(transports);
  assert.equal(await server.stop(), 0);
  // No settings of seals: the vault waits for its shares.
  const next = await startUninitialised({ dataPath });
  const nextTransports = bothTransports(next);
  try {
    const again = new SealCalls(nextTransports[1], made.rootToken);
    assert.equal((await again.asRoot("secrets.get", { name: "kept" })).code, "sealed");
    await again.unseal(made.shares.slice(0, 3));
    assert.equal((await again.asRoot("secrets.get", { name: "kept" })).value["value"], "value");
    const { entries } = await readTrail(nextTransports[0], made.rootToken);
    const inits = entries.filter(({ operation }) => operation === "seals.initialise");
    assert.equal(inits.filter(({ outcome }) => outcome === "ok").length, 1);
    assert.ok(
      inits.some(({ outcome }) => outcome === "invalid_request"),
      "what was tried before is not recorded",
    );
  } finally {
    closeAll(nextTransports);
    await next.remove();
  }
});
