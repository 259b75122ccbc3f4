import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type OpenedCheckpoint, openCheckpoint, parsePolicy, parseVkey } from "@bunkms/tlog";
import { startServer, type TestServer } from "../harness/server.ts";
import { type RunningWitness, startWitness } from "./witness-program.ts";

const WAIT_MS = 30_000;

/** One of the witnesses, which can be away and come back. */
interface Seat {
  readonly name: string;
  readonly keyType: "ed25519" | "ml-dsa-44";
  readonly state: string;
  port: number;
  running: RunningWitness | undefined;
}

/** A checkpoint's state in the answer of `audit.status`. */
interface CheckpointState {
  readonly size: string;
  readonly time?: string;
}

/** The answer of `audit.status`. */
export interface AuditStatus {
  readonly size: string;
  readonly signed?: CheckpointState;
  readonly cosigned?: CheckpointState;
  readonly quorum: string;
  readonly witnesses: readonly {
    readonly name: string;
    readonly size: string;
    readonly cosigned_at?: string;
    readonly failing_since?: string;
    readonly reason: string;
  }[];
}

/** A server whose audit log three witnesses cosign, programs in Go of which two are needed. */
export class WitnessedServer {
  readonly folder = mkdtempSync(join(tmpdir(), "bunkms-witnessed-"));
  readonly dataPath = join(this.folder, "data");
  readonly policyPath = join(this.folder, "policy");
  /** Verifier keys of the log. */
  logs: readonly string[] = [];
  token = "";
  #server: TestServer | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #seats: readonly Seat[];

  constructor(context: TestContext) {
    context.after(() => this.#end());
    const keyFile = join(this.folder, "master.key");
    writeFileSync(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
    this.#env = { BUNKMS_MASTER_KEY_FILE: keyFile, BUNKMS_AUDIT_POLICY_FILE: this.policyPath };
    this.#seats = (["ed25519", "ml-dsa-44", "ed25519"] as const).map((keyType, i) => ({
      name: `W${i + 1}`,
      keyType,
      state: join(this.folder, `witness-${i + 1}`),
      port: 0,
      running: undefined,
    }));
  }

  /** All settings but the data folder. */
  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  get server(): TestServer {
    return this.#server ?? assert.fail("the server does not run");
  }

  /** Makes the vault, and starts the witnesses, which are given the log's key. */
  async begin(): Promise<void> {
    writeFileSync(this.policyPath, "quorum none\n");
    await this.startServer();
    await this.readLogKeys();
    await this.server.stop();
    for (const { name } of this.#seats) {
      await this.startWitness(name);
    }
    this.writePolicy();
    await this.startServer();
  }

  /** Asks for the log's verifier keys. */
  async readLogKeys(): Promise<void> {
    const { keys } = await this.json<{ readonly keys: readonly { readonly vkey: string }[] }>("/v1/audit/keys");
    this.logs = keys.map(({ vkey }) => vkey);
  }

  writePolicy(): void {
    const witnesses = this.#seats.map(({ name, running }) => `witness ${name} ${running?.vkey} ${running?.url}`);
    const logs = this.logs.map((vkey) => `log ${vkey}`);
    const names = this.#seats.map(({ name }) => name).join(" ");
    writeFileSync(
      this.policyPath,
      `${[...logs, ...witnesses, `group two-of-three 2 ${names}`, "quorum two-of-three"].join("\n")}\n`,
    );
  }

  async startServer(...args: readonly string[]): Promise<void> {
    await this.#server?.remove();
    this.#server = await startServer({ dev: false, dataPath: this.dataPath, env: this.#env, args });
    this.token ||= this.#server.rootToken;
  }

  /** @param logs Verifier keys that it is given, if not the log's. */
  async startWitness(name: string, logs: readonly string[] = this.logs): Promise<void> {
    const seat = this.#seat(name);
    const { state, keyType, port } = seat;
    const running = await startWitness({ state, keyType, port, logs, name: `${name}.example/witness` });
    seat.running = running;
    seat.port = Number(new URL(running.url).port);
  }

  async stopWitness(name: string): Promise<void> {
    const seat = this.#seat(name);
    await seat.running?.stop();
    seat.running = undefined;
  }

  #seat(name: string): Seat {
    return this.#seats.find((seat) => seat.name === name) ?? assert.fail(name);
  }

  /** The verifier keys of some witnesses. */
  vkeys(...names: readonly string[]): readonly string[] {
    return names.map((name) => this.#seat(name).running?.vkey ?? assert.fail(name));
  }

  /** The answer to a request, as root. */
  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(this.server.url + path, { headers: { authorization: `Bearer ${this.token}` } });
    return { status: answer.status, text: await answer.text() };
  }

  async json<T>(path: string): Promise<T> {
    const { status, text } = await this.get(path);
    assert.equal(status, 200, text);
    return JSON.parse(text) as T;
  }

  /** Makes the log grow by an entry. @returns Its index. */
  async grow(): Promise<number> {
    const answer = await fetch(`${this.server.url}/v1/tokens/self`, {
      headers: { authorization: `Bearer ${this.token}`, "bunkms-receipt": "true" },
    });
    assert.equal(answer.status, 200);
    return Number(answer.headers.get("bunkms-audit-index"));
  }

  /** Has the log signed by a new key, too. */
  async rotateKey(): Promise<void> {
    const answer = await fetch(`${this.server.url}/v1/audit/keys/rotate`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      body: "{}",
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  status(): Promise<AuditStatus> {
    return this.json("/v1/audit/status");
  }

  /** What anybody is shown, verified without the policy. */
  async published(): Promise<string> {
    const { status, text } = await this.get("/audit/checkpoint");
    assert.equal(status, 200, text);
    return text;
  }

  /** Verifies a checkpoint as an auditor with the policy does. @throws CheckpointRefused */
  verify(note: string, policy: Buffer): OpenedCheckpoint {
    return openCheckpoint(note, { logs: this.logs.map(parseVkey), policy: parsePolicy(policy) });
  }

  /** Waits until the status is as it should be. */
  async until(what: string, holds: (status: AuditStatus) => boolean, waitMs = WAIT_MS): Promise<AuditStatus> {
    for (const deadline = performance.now() + waitMs; ; ) {
      const status = await this.status();
      if (holds(status)) {
        return status;
      }
      assert.ok(performance.now() < deadline, `${what}: ${JSON.stringify(status)}\n${this.server.output()}`);
      await sleep(200);
    }
  }

  /** The value of a metric. */
  async metric(name: string): Promise<number> {
    const { text } = await this.get("/metrics");
    const line = text.split("\n").find((one) => one.startsWith(`${name} `)) ?? assert.fail(`${name} in\n${text}`);
    return Number(line.slice(name.length + 1));
  }

  async #end(): Promise<void> {
    await this.#server?.remove();
    await Promise.all(this.#seats.map(({ running }) => running?.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
