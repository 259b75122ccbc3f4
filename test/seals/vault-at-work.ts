import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, operationOf, restTransport, type Transport } from "../requirements/operation-call.ts";
import type { SealSetting } from "./seals-at-hand.ts";

/** How a start is to be. */
export interface StartOptions extends SealSetting {
  readonly args?: readonly string[];
  readonly addr?: string;
}

/** What a slot's listing says. */
export interface ListedSlot {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
}

const SHARES = { secret_shares: 3, secret_threshold: 2 } as const;

/** A data folder in production mode, and the server's program at work on it, which can be started again otherwise. */
export class VaultAtWork implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "bunkms-vault-"));
  readonly dataPath = join(this.folder, "data");
  /** Of its shamir slot. */
  shares: readonly string[] = [];
  token = "";
  #server: TestServer | undefined;
  #rest: Transport | undefined;

  /** Starts the server; one that is at work is stopped before. */
  async start({ args = [], ...options }: StartOptions): Promise<void> {
    await this.stop();
    this.#server = await startServer({
      ...options,
      args: ["--root-token-ttl", "0", ...args],
      dev: false,
      dataPath: this.dataPath,
    });
    this.#rest = restTransport(this.#server.url);
    this.token = this.#server.rootToken || this.token;
  }

  /** Starts it on an empty folder, with a slot of this seal. @param settings Of this seal and, for later, of others. */
  async initialise(kind: string, settings: StartOptions): Promise<void> {
    await this.start({ ...settings, env: { ...settings.env, BUNKMS_SEALS: kind } });
    if (kind === "shamir") {
      const { root_token, shares } = await this.value("seals.initialise", SHARES);
      this.token = root_token as string;
      this.shares = shares as string[];
    }
  }

  /** Starts it again, and brings the shares when it waits for them. */
  async restart(settings: StartOptions): Promise<void> {
    await this.start(settings);
    if ((await this.status())["state"] === "sealed") await this.unseal();
  }

  async unseal(): Promise<void> {
    for (const key of this.shares.slice(-SHARES.secret_threshold)) await this.value("seals.unseal", { key });
  }

  get server(): TestServer {
    return this.#server ?? assert.fail("it is not at work");
  }

  call(action: string, request: JsonObject = {}): Promise<Answer> {
    const rest = this.#rest ?? assert.fail("it is not at work");
    return rest.call(operationOf(action), request, { token: this.token });
  }

  /** The same for what must not fail. */
  async value(action: string, request: JsonObject = {}): Promise<JsonObject> {
    const answer = await this.call(action, request);
    assert.equal(answer.code, "ok", `${action}: ${answer.text}\n${this.server.output()}`);
    return answer.value;
  }

  status(): Promise<JsonObject> {
    return this.value("seals.get_status");
  }

  async slots(): Promise<readonly ListedSlot[]> {
    return (await this.value("seals.list_slots"))["slots"] as unknown as ListedSlot[];
  }

  /** @returns The new slot's id. */
  async addSlot(kind: string): Promise<string> {
    const { slot, shares } = await this.value("seals.add_slot", { kind, ...(kind === "shamir" ? SHARES : {}) });
    if (kind === "shamir") this.shares = shares as string[];
    return (slot as unknown as ListedSlot).id;
  }

  async removeSlot(kind: string): Promise<void> {
    const slot = (await this.slots()).find((candidate) => candidate.kind === kind);
    await this.value("seals.remove_slot", { id: slot?.id ?? assert.fail(`there is no ${kind} slot`) });
  }

  async encrypt(key_name: string, plaintext: string): Promise<string> {
    return (await this.value("keys.encrypt", { key_name, plaintext }))["ciphertext"] as string;
  }

  async decrypt(key_name: string, ciphertext: string): Promise<string> {
    return (await this.value("keys.decrypt", { key_name, ciphertext }))["plaintext"] as string;
  }

  /** Waits until the server's output has this. */
  async until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!(await isSo())) {
      assert.ok(performance.now() < deadline, `not within a minute: ${what}\n${this.server.output()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.#rest?.close();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      const end = await server.stop();
      await server.remove();
      assert.equal(end, 0, server.output());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rest?.close();
    await this.#server?.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
