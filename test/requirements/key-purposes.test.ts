import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import { createKey, FAMILIES, type Family, KEY_OPERATIONS, type Made, makeWith } from "./key-operations.ts";
import { operationOf } from "./operation-call.ts";

/** Keys of each purpose, and of types that could do more than their keys may. */
const KEYS = [
  { name: "aes-encrypts", type: "aes-256", purpose: "encrypt" },
  { name: "aes-wraps", type: "aes-256", purpose: "wrap" },
  { name: "rsa-encrypts", type: "rsa-2048", purpose: "encrypt" },
  { name: "rsa-wraps", type: "rsa-2048", purpose: "wrap" },
  { name: "rsa-signs", type: "rsa-2048", purpose: "sign" },
  { name: "ec-signs", type: "ecdsa-p256", purpose: "sign" },
  { name: "macs", type: "hmac-sha256", purpose: "mac" },
  { name: "agrees", type: "x25519", purpose: "agree" },
  { name: "encapsulates", type: "ml-kem-768", purpose: "agree" },
  { name: "hybrid-encapsulates", type: "x-wing", purpose: "agree" },
] as const;

let server: InProcessServer;
const made = new Map<Family, Made>();

before(async () => {
  server = await startInProcess();
  for (const request of KEYS) {
    await server.value("keys.create", request);
  }
  for (const family of Object.keys(FAMILIES) as Family[]) {
    await createKey(server, family, family);
    made.set(family, await makeWith(server, family, family));
  }
});

after(() => server[Symbol.asyncDispose]());

/** Operations of the same purpose that are another type's. */
function isOfAnotherType(type: string, action: string): boolean {
  const derives = action === "keys.derive_shared_secret";
  return derives ? type !== "x25519" : action.endsWith("capsulate") && type === "x25519";
}

/** Tries each operation with each key that is not for it, in every way. */
async function refuseAll(): Promise<void> {
  let calls = 0;
  const otherwise: string[] = [];
  for (const [action, { family, purposes, request, wrong = [] }] of Object.entries(KEY_OPERATIONS)) {
    for (const { name, type, purpose } of KEYS) {
      if (purposes.length === 0 || (purposes.includes(purpose) && !isOfAnotherType(type, action))) {
        continue;
      }
      const right = request({ name, made: made.get(family) as Made }, 0);
      for (const variant of [right, ...wrong.map((members) => ({ ...right, ...members }))]) {
        for (const transport of server.transports) {
          const answer = await transport.call(operationOf(action), variant, { token: server.rootToken });
          calls += 1;
          if (answer.code !== "wrong_key_usage") {
            otherwise.push(
              `${action} over ${transport.name}: ${answer.code} for ${JSON.stringify(variant).slice(0, 200)}`,
            );
          }
        }
      }
    }
  }
  assert.deepEqual(otherwise, []);
  assert.ok(calls > 600);
}

test("REQ-19 a key that is not for an operation refuses it for that reason, before anything else is looked at", async () => {
  await refuseAll();
});

test("REQ-19 no refusal counts as a use", async () => {
  for (const { name } of KEYS) {
    const { versions } = await server.value("keys.get", { name });
    assert.deepEqual(
      (versions as { uses: string; last_used_at?: string }[]).map(({ uses, last_used_at }) => [uses, last_used_at]),
      [["0", undefined]],
      name,
    );
  }
});

test("REQ-19 a disabled key says first that it is not for an operation", async () => {
  for (const { name } of KEYS) {
    await server.value("keys.disable", { name });
  }
  await refuseAll();
});
