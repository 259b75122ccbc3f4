/** What a killed server must still know: kept outside of it, by those who use it. */

import assert from "node:assert/strict";
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

/** The state of a key that was made. */
type State = "enabled" | "disabled" | "pending_deletion";

/** A key that one worker alone changes, so that its state is known but for the last call. */
export interface OwnKey {
  readonly name: string;
  readonly type: string;
  /** 0: not there. */
  latest: number;
  state: State;
  readonly samples: Sample[];
}

/** An alias of one of a worker's keys. */
export interface OwnAlias {
  readonly alias: string;
  /** Empty: not there. */
  keyName: string;
}

export interface OwnSecret {
  readonly name: string;
  /** Of its versions, from the first on; undefined: destroyed. Empty: not there. */
  values: readonly (string | undefined)[];
}

/** A call that had no answer: done or not, and the audit log must say which. */
interface Doubt {
  readonly requestId: string;
  /** What is so if it was done. */
  readonly done: () => void;
}

const TYPES = ["aes-256", "aes-256", "aes-256-gcm", "ecdsa-p256"] as const;

/** The steps out of a key's state, and where they lead. */
const STEPS: Readonly<Record<State, readonly (readonly [action: string, to: State])[]>> = {
  enabled: [
    ["keys.disable", "disabled"],
    ["keys.schedule_deletion", "pending_deletion"],
  ],
  disabled: [
    ["keys.enable", "enabled"],
    ["keys.enable", "enabled"],
    ["keys.schedule_deletion", "pending_deletion"],
  ],
  pending_deletion: [["keys.cancel_deletion", "disabled"]],
};

/** One client: sends mixed calls one after the other, and remembers what was acknowledged. */
export class Worker {
  readonly keys: OwnKey[] = [];
  readonly aliases: OwnAlias[] = [];
  readonly secrets: OwnSecret[] = [];
  /** Versions of the shared key that this worker's rotations were told. */
  readonly sharedVersions: number[] = [];
  /** Action of each acknowledged call, by request id. */
  readonly acknowledged = new Map<string, string>();
  /** Request ids of rotations of the shared key that had no answer. */
  readonly sharedDoubts: string[] = [];
  doubt: Doubt | undefined;
  readonly touchedKeys = new Set<OwnKey>();
  readonly touchedAliases = new Set<OwnAlias>();
  readonly touchedSecrets = new Set<OwnSecret>();
  readonly #name: string;
  readonly #random: Seeded;
  #calls = 0;
  #transport!: Transport;
  #token = "";

  constructor(name: string, random: Seeded) {
    this.#name = name;
    this.#random = random;
  }

  /** Works until a call has no answer. @throws AssertionError when a call is refused. */
  async work(transport: Transport, token: string): Promise<void> {
    this.#transport = transport;
    this.#token = token;
    while (await this.#step()) {
      // Until the server is gone.
    }
  }

  #step(): Promise<boolean> {
    const dice = this.#random.below(100);
    const key = this.#oneOf(this.keys.filter(({ latest }) => latest > 0));
    const usable = key?.state === "enabled";
    if (key === undefined || dice < 14) {
      return this.#createKey();
    }
    if (dice < 28 && usable) {
      return this.#rotate(key);
    }
    if (dice < 34) {
      return this.#rotateShared();
    }
    if (dice < 48 && usable && key.type !== "ecdsa-p256") {
      return this.#encrypt(key);
    }
    if (dice < 64 || (dice < 72 && !usable)) {
      return this.#stepKey(key);
    }
    if (dice < 76) {
      return this.#setAlias(key);
    }
    const alias = this.#oneOf(this.aliases.filter(({ keyName }) => keyName !== ""));
    if (dice < 79 && alias !== undefined) {
      return this.#deleteAlias(alias);
    }
    const secret = this.secrets[this.#random.below(this.secrets.length + 1)];
    if (secret === undefined || secret.values.length === 0 || dice >= 86) {
      return this.#putSecret(secret);
    }
    return dice < 82 ? this.#deleteSecret(secret) : this.#destroyVersion(secret);
  }

  #oneOf<T>(items: readonly T[]): T | undefined {
    return items[this.#random.below(items.length || 1)];
  }

  async #createKey(): Promise<boolean> {
    const type = this.#oneOf(TYPES) as string;
    const key: OwnKey = { name: `${this.#name}.${this.keys.length}`, type, latest: 0, state: "enabled", samples: [] };
    this.keys.push(key);
    this.touchedKeys.add(key);
    const answer = await this.#call("keys.create", { name: key.name, type }, () => {
      key.latest = 1;
    });
    return answer !== undefined;
  }

  async #rotate(key: OwnKey): Promise<boolean> {
    this.touchedKeys.add(key);
    const answer = await this.#call("keys.rotate", { name: key.name }, () => {
      key.latest += 1;
    });
    assert.equal(answer?.value["latest_version"] ?? key.latest, key.latest, key.name);
    return answer !== undefined;
  }

  async #rotateShared(): Promise<boolean> {
    const { requestId, answer } = await this.#send("keys.rotate", { name: SHARED_KEY });
    if (answer === undefined) {
      this.sharedDoubts.push(requestId);
      return false;
    }
    this.sharedVersions.push(answer.value["latest_version"] as number);
    return true;
  }

  async #encrypt(key: OwnKey): Promise<boolean> {
    const plaintext = this.#random.bytes(this.#random.below(200)).toString("base64");
    const answer = await this.#call("keys.encrypt", { key_name: key.name, plaintext_b64: plaintext }, () => {});
    if (answer !== undefined) {
      const version = answer.value["version"] as number;
      key.samples.push({ version, plaintext, ciphertext: answer.value["ciphertext"] as string });
      this.touchedKeys.add(key);
    }
    return answer !== undefined;
  }

  async #stepKey(key: OwnKey): Promise<boolean> {
    const [action, to] = this.#oneOf(STEPS[key.state]) as readonly [string, State];
    this.touchedKeys.add(key);
    const answer = await this.#call(action, { name: key.name }, () => {
      key.state = to;
    });
    assert.equal(answer?.value["state"] ?? key.state, key.state, key.name);
    return answer !== undefined;
  }

  /** Makes an alias, or moves one. */
  async #setAlias(key: OwnKey): Promise<boolean> {
    const existing = this.aliases[this.#random.below(this.aliases.length + 1)];
    const alias = existing ?? { alias: `${this.#name}.a${this.aliases.length}`, keyName: "" };
    if (existing === undefined) {
      this.aliases.push(alias);
    }
    this.touchedAliases.add(alias);
    const answer = await this.#call("aliases.set", { alias: alias.alias, key_name: key.name }, () => {
      alias.keyName = key.name;
    });
    return answer !== undefined;
  }

  async #deleteAlias(alias: OwnAlias): Promise<boolean> {
    this.touchedAliases.add(alias);
    const answer = await this.#call("aliases.delete", { alias: alias.alias }, () => {
      alias.keyName = "";
    });
    return answer !== undefined;
  }

  async #putSecret(existing: OwnSecret | undefined): Promise<boolean> {
    const secret = existing ?? { name: `${this.#name}/s/${this.secrets.length}`, values: [] };
    if (existing === undefined) {
      this.secrets.push(secret);
    }
    this.touchedSecrets.add(secret);
    const size = this.#random.below(12) === 0 ? 60_000 : this.#random.below(1000);
    const value = this.#random.bytes(size).toString("base64");
    const values = [...secret.values, value];
    const answer = await this.#call("secrets.put", { name: secret.name, value_b64: value }, () => {
      secret.values = values;
    });
    assert.equal(answer?.value["version"] ?? values.length, values.length, secret.name);
    return answer !== undefined;
  }

  async #destroyVersion(secret: OwnSecret): Promise<boolean> {
    this.touchedSecrets.add(secret);
    const destroyed = this.#random.below(secret.values.length);
    const request = { name: secret.name, version: `${destroyed + 1}` };
    const answer = await this.#call("secrets.destroy_version", request, () => {
      secret.values = secret.values.with(destroyed, undefined);
    });
    return answer !== undefined;
  }

  async #deleteSecret(secret: OwnSecret): Promise<boolean> {
    this.touchedSecrets.add(secret);
    const answer = await this.#call("secrets.delete", { name: secret.name }, () => {
      secret.values = [];
    });
    return answer !== undefined;
  }

  /** The answer of a success, which `done` follows; or undefined when there was none: what that leaves open is noted. */
  async #call(action: string, request: Record<string, string>, done: () => void): Promise<Answer | undefined> {
    const { requestId, answer } = await this.#send(action, request);
    if (answer === undefined) {
      this.doubt = { requestId, done };
    } else {
      done();
    }
    return answer;
  }

  async #send(
    action: string,
    request: Record<string, string>,
  ): Promise<{ readonly requestId: string; readonly answer: Answer | undefined }> {
    this.#calls += 1;
    const requestId = `${this.#name}-${this.#calls}`;
    const answer = await this.#transport.call(operationOf(action), request, { token: this.#token, requestId });
    if (answer.code === "no answer") {
      return { requestId, answer: undefined };
    }
    assert.equal(answer.code, "ok", `${action} ${requestId}: ${answer.text}`);
    this.acknowledged.set(requestId, action);
    return { requestId, answer };
  }
}
