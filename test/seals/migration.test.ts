import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { SealKind } from "../../packages/server/src/config/value-type.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { SealsAtHand } from "./seals-at-hand.ts";
import { type StartOptions, VaultAtWork } from "./vault-at-work.ts";

const STEPS: readonly SealKind[] = ["env", "shamir", "pkcs11", "awskms", "env"];
const KEYS = 1_000;
const AT_ONCE = 16;
/** What a client may meet while the server restarts or is sealed. */
const MAY_REFUSE = ["sealed", "shutting_down"];

const nameOf = (i: number): string => `key.${i}`;

/** A caller over REST that never stops: it encrypts, decrypts what it got, and compares. */
class SteadyClient {
  readonly #url: string;
  readonly #token: string;
  /** One connection for each call, so that none is closed under a call that is about to be sent on it. */
  readonly #agent = new Agent({ keepAlive: false });
  readonly #counts = { served: 0, refused: 0, away: 0 };
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
    this.#running = this.#run();
    // It is looked at when the client is stopped.
    this.#running.catch(() => {});
  }

  /** @throws AssertionError for a call that failed otherwise than it may. */
  async stop(): Promise<{ readonly served: number; readonly refused: number; readonly away: number }> {
    this.#stopped = true;
    await this.#running;
    return this.#counts;
  }

  /** Waits until so many more calls were served, or refused, than now. */
  async sees(what: "served" | "refused", more: number): Promise<void> {
    const wanted = this.#counts[what] + more;
    const seen = async (): Promise<void> => {
      while (this.#counts[what] < wanted && !this.#stopped) await sleep(5);
    };
    await Promise.race([this.#running, seen()]);
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopped; i = (i + 7) % KEYS) {
      const plaintext = `${i} of ${this.#counts.served}`;
      const encrypted = await this.#ask(`/v1/encrypt/${nameOf(i)}`, { plaintext });
      if (encrypted === undefined) continue;
      for (let tries = 0; !this.#stopped; tries++) {
        // Whatever happened to the server since, what it gave out can be decrypted.
        const decrypted = await this.#ask(`/v1/decrypt/${nameOf(i)}`, { ciphertext: encrypted["ciphertext"] });
        if (decrypted === undefined) continue;
        assert.equal(decrypted["plaintext"], plaintext, `after ${tries} tries`);
        break;
      }
    }
  }

  /** The answer; undefined where there is none because the server is away or sealed. */
  async #ask(path: string, body: object): Promise<Record<string, string> | undefined> {
    const answer = await this.#send(path, JSON.stringify(body)).catch((error: NodeJS.ErrnoException) => {
      // A connection that the system took, and the server did not, before it ended, is reset.
      assert.ok(["ECONNREFUSED", "ECONNRESET"].includes(error.code ?? ""), `${path}: ${error.code} ${error.message}`);
    });
    if (answer === undefined) {
      this.#counts.away += 1;
      await sleep(5);
      return undefined;
    }
    if (answer.status !== 200) {
      assert.equal(answer.status, 503, JSON.stringify(answer.body));
      assert.ok(MAY_REFUSE.includes(answer.body["code"] ?? ""), JSON.stringify(answer.body));
      this.#counts.refused += 1;
      await sleep(5);
      return undefined;
    }
    this.#counts.served += 1;
    return answer.body;
  }

  async #send(path: string, body: string): Promise<{ readonly status: number; readonly body: Record<string, string> }> {
    const headers = { authorization: `Bearer ${this.#token}`, "content-type": "application/json" };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = httpRequest(this.#url + path, { method: "POST", headers, agent: this.#agent });
    sent.on("response", resolve).on("error", reject).end(body);
    const response = await promise;
    const text = Buffer.concat(await response.toArray()).toString("utf8");
    return { status: response.statusCode as number, body: JSON.parse(text) as Record<string, string> };
  }
}

test("REQ-27 a vault of 1,000 keys moves env → shamir → pkcs11 → awskms → env while a client goes on", async (context) => {
  await using seals = await SealsAtHand.start([...new Set(STEPS)]);
  await using vault = new VaultAtWork();
  const addr = `127.0.0.1:${await findClosedPort()}`;
  const settings = (...kinds: readonly SealKind[]) => ({
    ...seals.settings(kinds),
    addr,
    args: ["--log-level", "warn"],
  });
  await vault.initialise("env", settings("env"));
  const ciphertexts: string[] = [];
  for (let i = 0; i < KEYS; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, KEYS - i) }, (_, j) => i + j);
    await Promise.all(
      some.map(async (n) => {
        await vault.value("keys.create", { name: nameOf(n) });
        ciphertexts[n] = await vault.encrypt(nameOf(n), `made ${n}`);
      }),
    );
  }
  const client = new SteadyClient(`http://${addr}`, vault.token);
  const restart = async (options: StartOptions): Promise<void> => {
    await vault.start(options);
    if ((await vault.status())["state"] === "sealed") {
      await client.sees("refused", 5);
      await vault.unseal();
    }
  };
  for (const [i, to] of STEPS.slice(1).entries()) {
    const from = STEPS[i] as SealKind;
    await client.sees("served", 20);
    await restart(settings(from, to));
    await client.sees("served", 20);
    await vault.addSlot(to);
    await vault.removeSlot(from);
    await restart(settings(to));
    assert.equal((await vault.status())["type"], to);
    assert.deepEqual(
      (await vault.slots()).map(({ kind }) => kind),
      [to],
    );
  }
  await client.sees("served", 20);
  const { served, refused, away } = await client.stop();
  context.diagnostic(`${served} calls were served, ${refused} refused while it was sealed, ${away} found nobody`);
  assert.ok(away > 0, "the client did not notice any restart");
  for (let i = 0; i < KEYS; i += AT_ONCE) {
    const some = ciphertexts.slice(i, i + AT_ONCE);
    const plain = await Promise.all(some.map((ciphertext, j) => vault.decrypt(nameOf(i + j), ciphertext)));
    assert.deepEqual(
      plain,
      some.map((_, j) => `made ${i + j}`),
    );
  }
});
