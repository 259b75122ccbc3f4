/** Compares a server that was started again with what its callers remember. */

import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import { type Answer, operationOf, type Transport } from "../requirements/operation-call.ts";
import { type OwnAlias, type OwnKey, type OwnSecret, SHARED_KEY, type Worker } from "./kill-oracle.ts";
import type { TrailMemory } from "./kill-trail.ts";

/** Calls one operation with the token and transport of the verification. */
type Ask = (action: string, request: JsonObject) => Promise<Answer>;

/** Asks over this transport with this token. */
export function asking(transport: Transport, token: string): Ask {
  return (action, request) => transport.call(operationOf(action), request, { token });
}

/** Every acknowledged call has exactly one entry, of its operation. */
export function verifyTrail(acknowledged: ReadonlyMap<string, string>, trail: TrailMemory): void {
  for (const [requestId, action] of acknowledged) {
    assert.equal(trail.actionOf(requestId), action, `${requestId} was acknowledged and is not in the audit log`);
  }
}

/**
 * Settles the call that had no answer: it was done if and only if the audit log has its entry. The state is then known,
 * and what was touched, or everything, must be just so.
 */
export async function verifyWorker(worker: Worker, ask: Ask, trail: TrailMemory, everything: boolean): Promise<void> {
  settleDoubt(worker, trail);
  for (const key of everything ? worker.keys : worker.touchedKeys) {
    await verifyKey(key, ask);
  }
  for (const alias of everything ? worker.aliases : worker.touchedAliases) {
    await verifyAlias(alias, ask);
  }
  for (const secret of everything ? worker.secrets : worker.touchedSecrets) {
    await verifySecret(secret, ask);
  }
  worker.touchedKeys.clear();
  worker.touchedAliases.clear();
  worker.touchedSecrets.clear();
}

function settleDoubt(worker: Worker, trail: TrailMemory): void {
  const { doubt } = worker;
  worker.doubt = undefined;
  if (doubt !== undefined && trail.actionOf(doubt.requestId) !== undefined) {
    doubt.done();
  }
}

async function verifyKey(key: OwnKey, ask: Ask): Promise<void> {
  const answer = await ask("keys.get", { name: key.name });
  assert.equal(answer.code, key.latest === 0 ? "not_found" : "ok", `${key.name}: ${answer.text}`);
  if (key.latest === 0) {
    return;
  }
  const versions = answer.value["versions"] as { version: number }[];
  assert.deepEqual([answer.value["latest_version"], answer.value["state"]], [key.latest, key.state], key.name);
  assert.equal("deletion_at" in answer.value, key.state === "pending_deletion", key.name);
  assert.deepEqual(
    versions.map(({ version }) => version),
    sequence(key.latest),
    key.name,
  );
  for (const { version, plaintext, ciphertext } of key.samples) {
    const opened = await ask("keys.decrypt", { key_name: key.name, ciphertext });
    assert.equal(opened.code, outcomeOf(key), `${key.name} version ${version}: ${opened.text}`);
    if (opened.code === "ok") {
      assert.deepEqual([opened.value["plaintext_b64"], opened.value["version"]], [plaintext, version], key.name);
    }
  }
  await useLatest(key, ask);
}

/** The newest version opens, whoever has used it before, if the key may be used. */
async function useLatest(key: OwnKey, ask: Ask): Promise<void> {
  const { name, type, latest } = key;
  const message = Buffer.from(name).toString("base64");
  const used =
    type === "ecdsa-p256"
      ? await ask("keys.sign", { name, message_b64: message })
      : await ask("keys.encrypt", { key_name: name, plaintext: name });
  assert.equal(used.code, outcomeOf(key), `${name}: ${used.text}`);
  assert.equal(used.value["version"] ?? latest, latest, name);
}

/** How each use of a key ends. */
function outcomeOf({ state }: OwnKey): string {
  return state === "enabled" ? "ok" : "wrong_key_state";
}

async function verifySecret({ name, values }: OwnSecret, ask: Ask): Promise<void> {
  const listed = await ask("secrets.list_versions", { name });
  assert.equal(listed.code, values.length === 0 ? "not_found" : "ok", `${name}: ${listed.text}`);
  const states = ((listed.value["versions"] ?? []) as { state: string }[]).map(({ state }) => state);
  const expected = values.map((value) => (value === undefined ? "destroyed" : "enabled"));
  assert.deepEqual(states, expected, name);
  for (const [i, value] of values.entries()) {
    const answer = await ask("secrets.get", { name, version: `${i + 1}` });
    assert.equal(answer.code, value === undefined ? "not_found" : "ok", `${name}: ${answer.text}`);
    assert.equal(answer.value["value_b64"], value, name);
  }
  const latest = await ask("secrets.get", { name });
  assert.equal(latest.value["value_b64"], values.at(-1), name);
}

async function verifyAlias({ alias, keyName }: OwnAlias, ask: Ask): Promise<void> {
  const [answer, key] = [await ask("aliases.get", { alias }), await ask("keys.get", { name: `@${alias}` })];
  const expected = keyName === "" ? "not_found" : "ok";
  assert.deepEqual([answer.code, key.code], [expected, expected], `${alias}: ${answer.text}`);
  assert.equal(answer.value["key_name"] ?? "", keyName, alias);
  assert.equal(key.value["name"] ?? "", keyName, alias);
}

/**
 * The shared key has one version for each rotation that the log knows, acknowledged or not, and no acknowledgement named
 * a version twice.
 */
export async function verifyShared(workers: readonly Worker[], ask: Ask, trail: TrailMemory): Promise<void> {
  const told = workers.flatMap((worker) => worker.sharedVersions);
  assert.equal(new Set(told).size, told.length, "two rotations were told the same version");
  const unanswered = workers.flatMap((worker) => worker.sharedDoubts);
  const done = unanswered.filter((requestId) => trail.actionOf(requestId) !== undefined);
  const answer = await ask("keys.get", { name: SHARED_KEY });
  assert.equal(answer.code, "ok", answer.text);
  assert.equal(answer.value["latest_version"], 1 + told.length + done.length);
  const versions = answer.value["versions"] as { version: number }[];
  assert.deepEqual(
    versions.map(({ version }) => version),
    sequence(1 + told.length + done.length),
  );
}

function sequence(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1);
}
