import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import type { TrailEntry } from "../requirements/audit-trail.ts";
import { type Answer, operationOf, type Transport } from "../requirements/operation-call.ts";
import type { Seeded } from "../vectors/seeded.ts";

/** Codes with which a server says that it cannot write now. */
const UNAVAILABLE = ["audit_unavailable", "storage_unavailable"];
/** HTTP 503 and gRPC UNAVAILABLE. */
const UNAVAILABLE_STATUS = [503, 14];

/** A caller of a server that may be unable to write: what was acknowledged counts, what was refused must not have happened. */
export class Ledger {
  readonly #name: string;
  readonly #random: Seeded;
  readonly #secrets = new Map<string, { readonly value: string; readonly version: number }>();
  readonly #keys = new Map<string, number>();
  /** Whether each call was done, by request id. */
  readonly #calls = new Map<string, boolean>();

  constructor(name: string, random: Seeded) {
    this.#name = name;
    this.#random = random;
  }

  /** Makes one random mutation or read. @returns Whether it was done. @throws AssertionError for any other refusal than 503. */
  async step(transport: Transport, token: string): Promise<boolean> {
    const requestId = `${this.#name}-${this.#calls.size}`;
    const ask = async (action: string, request: JsonObject): Promise<boolean> => {
      const answer = await transport.call(operationOf(action), request, { token, requestId });
      const done = answer.code === "ok";
      if (!done) {
        assertUnavailable(answer, action);
      }
      this.#calls.set(requestId, done);
      return done;
    };
    const name = `${this.#name}.${this.#random.below(12)}`;
    const key = this.#keys.get(name);
    const secret = this.#secrets.get(name);
    switch (this.#random.below(5)) {
      case 0: {
        const done = await ask(key === undefined ? "keys.create" : "keys.rotate", { name });
        if (done) {
          this.#keys.set(name, (key ?? 0) + 1);
        }
        return done;
      }
      case 1: {
        const done = secret !== undefined && (await ask("secrets.delete", { name }));
        if (done) {
          this.#secrets.delete(name);
        }
        return done || secret === undefined;
      }
      case 2:
        return key === undefined || (await ask("keys.encrypt", { key_name: name, plaintext: name }));
      default: {
        const value = this.#random.bytes(this.#random.below(9000)).toString("base64");
        const done = await ask("secrets.put", { name, value_b64: value });
        if (done) {
          this.#secrets.set(name, { value, version: (secret?.version ?? 0) + 1 });
        }
        return done;
      }
    }
  }

  /** Compares the server with what it acknowledged: no less, and no more. */
  async verify(transport: Transport, token: string): Promise<void> {
    for (let i = 0; i < 12; i++) {
      const name = `${this.#name}.${i}`;
      const secret = await transport.call(operationOf("secrets.get"), { name }, { token });
      const expected = this.#secrets.get(name);
      assert.deepEqual(
        [secret.code, secret.value["value_b64"], secret.value["version"]],
        expected === undefined ? ["not_found", undefined, undefined] : ["ok", expected.value, expected.version],
        name,
      );
      const key = await transport.call(operationOf("keys.get"), { name }, { token });
      assert.equal(key.value["latest_version"], this.#keys.get(name), name);
    }
  }

  /** Each acknowledged call is in the log as done; of those that were refused none is. */
  verifyTrail(entries: readonly TrailEntry[]): void {
    const done = new Set(entries.filter(({ outcome }) => outcome === "ok").map(({ request_id }) => request_id));
    for (const [requestId, wasDone] of this.#calls) {
      assert.equal(done.has(requestId), wasDone, requestId);
    }
  }
}

/** The server says that it cannot now, with the right code and status, and nothing else. */
export function assertUnavailable(answer: Answer, what: string): void {
  assert.ok(UNAVAILABLE.includes(answer.code), `${what}: ${answer.code} ${answer.text}`);
  assert.ok(UNAVAILABLE_STATUS.includes(answer.status), `${what}: ${answer.status}`);
  assert.deepEqual(answer.value, {}, what);
}
