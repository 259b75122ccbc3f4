/** What a killed server must still know: kept outside of it, by those who use it. */

import assert from "node:assert/strict";
import type { Trail } from "../requirements/audit-trail.ts";
import { type Answer, operationOf, type Transport } from "../requirements/operation-call.ts";
import type { Seeded } from "../vectors/seeded.ts";

/** Rotated by all workers at once, so that they collide. */
export const SHARED_KEY = "shared";

/** Bytes encrypted under one version of a key. */
interface Sample {
  readonly version: number;
  readonly plaintext: string;
  readonly ciphertext: string;
}

/** A key that one worker alone changes, so that its state is known but for the last call. */
interface OwnKey {
  readonly name: string;
  readonly type: string;
  /** 0: not there. */
  latest: number;
  readonly samples: Sample[];
}

interface OwnSecret {
  readonly name: string;
  /** 0: not there. */
  version: number;
  value: string;
}

/** A call that had no answer: done or not, and the audit log must say which. */
interface Doubt {
  readonly requestId: string;
  readonly key?: OwnKey;
  readonly secret?: OwnSecret;
  /** The secret as it is if the call was done. */
  readonly after?: { readonly version: number; readonly value: string };
}

/** One client: sends mixed calls one after the other, and remembers what was acknowledged. */
export class Worker {
  readonly keys: OwnKey[] = [];
  readonly secrets: OwnSecret[] = [];
  /** Versions of the shared key that this worker's rotations were told. */
  readonly sharedVersions: number[] = [];
  /** Action of each acknowledged call, by request id. */
  readonly acknowledged = new Map<string, string>();
  /** Request ids of rotations of the shared key that had no answer. */
  readonly sharedDoubts: string[] = [];
  doubt: Doubt | undefined;
  readonly touchedKeys = new Set<OwnKey>();
  readonly touchedSecrets = new Set<OwnSecret>();
  readonly #name: string;
  readonly #random: Seeded;
  #calls = 0;

  constructor(name: string, random: Seeded) {
    this.#name = name;
    this.#random = random;
  }

  /** Works until a call has no answer. @throws AssertionError when a call is refused. */
  async work(transport: Transport, token: string): Promise<void> {
    while (await this.#step(transport, token)) {
      // Until the server is gone.
    }
  }

  #step(transport: Transport, token: string): Promise<boolean> {
    const dice = this.#random.below(100);
    const made = this.keys.filter(({ latest }) => latest > 0);
    const key = made[this.#random.below(made.length || 1)];
    if (key === undefined || dice < 20) {
      return this.#createKey(transport, token);
    }
    if (dice < 40) {
      return this.#rotate(transport, token, key);
    }
    if (dice < 46) {
      return this.#rotateShared(transport, token);
    }
    if (dice < 62 && key.type === "aes-256") {
      return this.#encrypt(transport, token, key);
    }
    const secret = this.secrets[this.#random.below(this.secrets.length + 1)];
    if (secret !== undefined && secret.version > 0 && dice < 72) {
      return this.#deleteSecret(transport, token, secret);
    }
    return this.#putSecret(transport, token, secret);
  }

  async #createKey(transport: Transport, token: string): Promise<boolean> {
    const type = this.#random.below(6) === 0 ? "ecdsa-p256" : "aes-256";
    const key: OwnKey = { name: `${this.#name}.${this.keys.length}`, type, latest: 0, samples: [] };
    this.keys.push(key);
    const answer = await this.#call(transport, token, "keys.create", { name: key.name, type }, { key });
    if (answer !== undefined) {
      key.latest = 1;
    }
    return answer !== undefined;
  }

  async #rotate(transport: Transport, token: string, key: OwnKey): Promise<boolean> {
    const answer = await this.#call(transport, token, "keys.rotate", { name: key.name }, { key });
    if (answer !== undefined) {
      key.latest += 1;
      assert.equal(answer.value["latest_version"], key.latest, key.name);
    }
    return answer !== undefined;
  }

  async #rotateShared(transport: Transport, token: string): Promise<boolean> {
    const answer = await this.#call(transport, token, "keys.rotate", { name: SHARED_KEY }, "shared");
    if (answer !== undefined) {
      this.sharedVersions.push(answer.value["latest_version"] as number);
    }
    return answer !== undefined;
  }

  async #encrypt(transport: Transport, token: string, key: OwnKey): Promise<boolean> {
    const plaintext = this.#random.bytes(this.#random.below(200)).toString("base64");
    const request = { key_name: key.name, plaintext_b64: plaintext };
    const answer = await this.#call(transport, token, "keys.encrypt", request, {});
    if (answer !== undefined) {
      const version = answer.value["version"] as number;
      key.samples.push({ version, plaintext, ciphertext: answer.value["ciphertext"] as string });
      this.touchedKeys.add(key);
    }
    return answer !== undefined;
  }

  async #putSecret(transport: Transport, token: string, existing: OwnSecret | undefined): Promise<boolean> {
    const secret = existing ?? { name: `${this.#name}/s/${this.secrets.length}`, version: 0, value: "" };
    if (existing === undefined) {
      this.secrets.push(secret);
    }
    const size = this.#random.below(12) === 0 ? 60_000 : this.#random.below(1000);
    const value = this.#random.bytes(size).toString("base64");
    const after = { version: secret.version + 1, value };
    const request = { name: secret.name, value_b64: value };
    const answer = await this.#call(transport, token, "secrets.put", request, { secret, after });
    if (answer !== undefined) {
      Object.assign(secret, after);
      assert.equal(answer.value["version"], after.version, secret.name);
    }
    return answer !== undefined;
  }

  async #deleteSecret(transport: Transport, token: string, secret: OwnSecret): Promise<boolean> {
    const after = { version: 0, value: "" };
    const answer = await this.#call(transport, token, "secrets.delete", { name: secret.name }, { secret, after });
    if (answer !== undefined) {
      Object.assign(secret, after);
    }
    return answer !== undefined;
  }

  /** The answer of a success, or undefined when there was none: what that leaves open is noted. */
  async #call(
    transport: Transport,
    token: string,
    action: string,
    request: Record<string, string>,
    what: Omit<Doubt, "requestId"> | "shared",
  ): Promise<Answer | undefined> {
    this.#calls += 1;
    const requestId = `${this.#name}-${this.#calls}`;
    if (what !== "shared") {
      if (what.key !== undefined) this.touchedKeys.add(what.key);
      if (what.secret !== undefined) this.touchedSecrets.add(what.secret);
    }
    const answer = await transport.call(operationOf(action), request, { token, requestId });
    if (answer.code === "no answer") {
      if (what === "shared") {
        this.sharedDoubts.push(requestId);
      } else {
        this.doubt = { requestId, ...what };
      }
      return undefined;
    }
    assert.equal(answer.code, "ok", `${action} ${requestId}: ${answer.text}`);
    this.acknowledged.set(requestId, action);
    return answer;
  }
}

/** What has been read of the audit log so far: outcome of each call, by request id. */
export class TrailMemory {
  readonly #outcomes = new Map<string, string>();
  size = 0;

  /** @param trail What is new since `size`. */
  add({ entries, size }: Trail): void {
    assert.ok(size >= this.size, "the audit log has become shorter");
    assert.equal(entries.length, size - this.size, "the audit log has a gap");
    this.size = size;
    for (const { request_id, operation, outcome } of entries) {
      if (request_id !== "" && outcome === "ok") {
        assert.ok(!this.#outcomes.has(request_id), `${request_id} is in the audit log twice`);
        this.#outcomes.set(request_id, operation);
      }
    }
  }

  /** Policy action of a call that is in the log as a success. */
  actionOf(requestId: string): string | undefined {
    return this.#outcomes.get(requestId);
  }
}
