import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "./client.ts";
import { BunkmsApiError, ConnectionError, RequestError, UnexpectedAnswerError } from "./errors.ts";
import type { ClientOptions, Fetch } from "./options.ts";
import { pauseBefore, readRetryAfter, retryPolicy } from "./retry.ts";

/** An answer, or the code of the socket's error. */
type Step = string | readonly [status: number, body: unknown, headers?: Readonly<Record<string, string>>];

const OK: Step = [200, {}];
const error = (status: number, code: string, headers = {}): Step => [
  status,
  { error: "t", code, request_id: "r" },
  headers,
];

/** A server that does one step for each request, and the last one from then on. */
function stepping(...steps: readonly Step[]) {
  const seen: { readonly headers: Readonly<Record<string, string>>; readonly at: number }[] = [];
  const fetch: Fetch = async (_url, init) => {
    const step = steps[Math.min(seen.length, steps.length - 1)] as Step;
    seen.push({ headers: init.headers as Record<string, string>, at: performance.now() });
    if (typeof step === "string") {
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: step }) });
    }
    const [status, body, headers = {}] = step;
    return new Response(JSON.stringify(body), { status, headers });
  };
  return { fetch, seen };
}

/** A client that waits for hardly anything. */
function connect(fetch: Fetch, more: Partial<ClientOptions> = {}) {
  return createClient({ url: "http://kms.test", token: "bkms_x", fetch, retry: { firstPauseMs: 1 }, ...more });
}

describe("a call is sent again", () => {
  for (const step of [
    "ECONNREFUSED",
    "ECONNRESET",
    error(429, "too_many_requests"),
    error(503, "storage_unavailable"),
    error(503, "sealed"),
    error(503, "a_code_of_a_newer_server"),
    [502, "a proxy's answer"],
    [504, "a proxy's answer"],
  ] as const) {
    test(`after ${JSON.stringify(step)}`, async () => {
      const { fetch, seen } = stepping(step, step, OK);
      await connect(fetch).keys.getKey({ name: "k" });
      assert.equal(seen.length, 3);
    });
  }

  test("four times at most, and then fails as it failed last", async () => {
    const { fetch, seen } = stepping("ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", error(503, "sealed"), OK);
    await assert.rejects(connect(fetch).keys.getKey({ name: "k" }), { code: "sealed" });
    assert.equal(seen.length, 4);
  });

  test("with a token that is asked for anew", async () => {
    const { fetch, seen } = stepping("ECONNRESET", OK);
    let count = 0;
    await connect(fetch, { token: () => `t${++count}` }).keys.getKey({ name: "k" });
    assert.deepEqual(
      seen.map(({ headers }) => headers["authorization"]),
      ["Bearer t1", "Bearer t2"],
    );
  });

  test("also when it has more time than a timer can count", async () => {
    const { fetch, seen } = stepping("ECONNRESET", OK);
    await connect(fetch, { timeoutMs: 60 * 24 * 60 * 60_000, retry: { firstPauseMs: 50 } }).keys.getKey({ name: "k" });
    assert.equal(seen.length, 2);
  });

  test("not before the server asked for it", async () => {
    const { fetch, seen } = stepping(error(429, "too_many_requests", { "retry-after": "1" }), OK);
    await connect(fetch).keys.getKey({ name: "k" });
    assert.ok((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0) >= 990);
  });
});

describe("a call is sent once", () => {
  for (const step of [
    error(500, "internal"),
    error(404, "not_found"),
    error(409, "conflict"),
    error(401, "unauthenticated"),
    error(507, "audit_full"),
    error(422, "idempotency_mismatch"),
    [200, "no JSON of ours"],
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ENOTFOUND",
    "ERR_SSL_WRONG_VERSION_NUMBER",
  ] as const) {
    test(`when what came is ${JSON.stringify(step)}`, async () => {
      const { fetch, seen } = stepping(step, OK);
      await assert.rejects(connect(fetch).keys.getKey({ name: "k" }));
      assert.equal(seen.length, 1);
    });
  }

  test("when its client was told so", async () => {
    for (const retry of [false, { attempts: 1 }] as const) {
      const { fetch, seen } = stepping("ECONNRESET", OK);
      await assert.rejects(connect(fetch, { retry }).keys.getKey({ name: "k" }), ConnectionError);
      assert.equal(seen.length, 1);
    }
  });

  test("when the caller finds that trying again is not worth it", async () => {
    const { fetch, seen } = stepping(error(503, "sealed"), OK);
    const isWorthwhile = (failure: Error) => !(failure instanceof BunkmsApiError && failure.code === "sealed");
    await assert.rejects(connect(fetch, { retry: { isWorthwhile } }).keys.getKey({ name: "k" }), { code: "sealed" });
    assert.equal(seen.length, 1);
  });

  test("when it is a share for a vault, which nobody may give twice by mistake", async () => {
    const { fetch, seen } = stepping("ECONNRESET");
    await assert.rejects(connect(fetch).seals.unseal({}), ConnectionError);
    await assert.rejects(connect(fetch).seals.initialise({}), ConnectionError);
    assert.equal(seen.length, 2);
  });

  test("when the server asks to wait for longer than there is time: at once, and with what the server said", async () => {
    const { fetch, seen } = stepping(error(503, "shutting_down", { "retry-after": "60" }), OK);
    const start = performance.now();
    await assert.rejects(connect(fetch, { timeoutMs: 2_000 }).keys.getKey({ name: "k" }), (failure) => {
      assert.ok(failure instanceof BunkmsApiError);
      assert.equal(failure.retryAfterMs, 60_000);
      return true;
    });
    assert.ok(performance.now() - start < 1_500);
    assert.equal(seen.length, 1);
  });

  test("when the server asks to wait for longer than a timer can", async () => {
    const { fetch, seen } = stepping(error(503, "shutting_down", { "retry-after": "9999999" }), OK);
    const timeoutMs = Number.POSITIVE_INFINITY;
    await assert.rejects(connect(fetch, { timeoutMs }).keys.getKey({ name: "k" }), { code: "shutting_down" });
    assert.equal(seen.length, 1);
  });

  test("when its caller gives it up in a pause, with the caller's reason", async () => {
    const { fetch, seen } = stepping(error(503, "shutting_down", { "retry-after": "20" }));
    const controller = new AbortController();
    const pending = connect(fetch).keys.getKey({ name: "k" }, { signal: controller.signal });
    await sleep(20);
    controller.abort(new Error("enough"));
    await assert.rejects(pending, /^Error: enough$/);
    assert.equal(seen.length, 1);
  });

  test("when its caller had given it up before: not even that", async () => {
    const { fetch, seen } = stepping(OK);
    const signal = AbortSignal.abort(new Error("never mind"));
    await assert.rejects(connect(fetch).keys.getKey({ name: "k" }, { signal }), /^Error: never mind$/);
    assert.equal(seen.length, 0);
  });

  test("when its token does not come in time", async () => {
    const { fetch, seen } = stepping(OK);
    const { promise, resolve } = Promise.withResolvers<string>();
    await assert.rejects(
      connect(fetch, { token: () => promise, timeoutMs: 20 }).keys.getKey({ name: "k" }),
      ConnectionError,
    );
    resolve("t");
    assert.equal(seen.length, 0);
  });
});

describe("an idempotency key", () => {
  const keyOf = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => headers["idempotency-key"];

  test("comes with what changes something, the same at each try and another at each call", async () => {
    const { fetch, seen } = stepping("ECONNRESET", error(503, "storage_unavailable"), OK);
    const client = connect(fetch);
    await client.keys.createKey({ name: "k" });
    await client.keys.createKey({ name: "k" });
    const keys = seen.map(keyOf);
    assert.match(keys[0] ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual(keys.slice(1, 3), [keys[0], keys[0]]);
    assert.match(keys[3] ?? "", /^[0-9a-f]{32}$/);
    assert.notEqual(keys[3], keys[0]);
  });

  test("does not come with what changes nothing, or is done for whoever comes", async () => {
    const { fetch, seen } = stepping(OK);
    const client = connect(fetch);
    const idempotencyKey = "mine";
    await client.keys.getKey({ name: "k" }, { idempotencyKey });
    await client.keys.encrypt({ keyName: "k" }, { idempotencyKey });
    await client.seals.initialise({}, { idempotencyKey });
    assert.deepEqual(seen.map(keyOf), [undefined, undefined, undefined]);
  });

  test("may be the caller's own, of 1 to 64 letters, digits, _ and -", async () => {
    const { fetch, seen } = stepping(OK);
    const client = connect(fetch);
    await client.secrets.putSecret({ name: "a" }, { idempotencyKey: "job-7_x" });
    assert.deepEqual(seen.map(keyOf), ["job-7_x"]);
    for (const idempotencyKey of ["", "a b", "a\n", "a".repeat(65), "é"]) {
      await assert.rejects(client.secrets.putSecret({ name: "a" }, { idempotencyKey }), RequestError);
    }
    assert.equal(seen.length, 1);
  });
});

describe("a pause", () => {
  test("has any length up to twice as much as the one before, up to the policy's longest", () => {
    const policy = retryPolicy({ firstPauseMs: 100, longestPauseMs: 300 });
    for (const [failures, most] of [
      [1, 100],
      [2, 200],
      [3, 300],
      [50, 300],
    ] as const) {
      const pauses = Array.from({ length: 2_000 }, () =>
        pauseBefore(policy, failures, new UnexpectedAnswerError("", 502)),
      );
      assert.ok(pauses.every((pause) => pause >= 0 && pause <= most));
      assert.ok(Math.min(...pauses) < most / 10 && Math.max(...pauses) > (9 * most) / 10);
    }
  });

  test("is counted from what the server asked for", () => {
    const policy = retryPolicy({ firstPauseMs: 100 });
    const pause = pauseBefore(policy, 1, new UnexpectedAnswerError("", 503, 7_000));
    assert.ok(pause >= 7_000 && pause <= 7_100);
  });

  test("is read from seconds and from dates, and nothing else", () => {
    const now = Date.UTC(2026, 0, 1, 0, 0, 0);
    assert.equal(readRetryAfter("120", now), 120_000);
    assert.equal(readRetryAfter("Thu, 01 Jan 2026 00:00:30 GMT", now), 30_000);
    assert.equal(readRetryAfter("Thu, 01 Jan 2015 00:00:30 GMT", now), 0);
    for (const header of [null, undefined, "", "-1", "1.5", "soon", "9".repeat(30), "Thu, 99 Foo"]) {
      assert.equal(readRetryAfter(header, now), undefined);
    }
  });

  test("of a policy that makes no sense is refused when the client is made", () => {
    for (const retry of [{ attempts: 0 }, { attempts: 1.5 }, { firstPauseMs: -1 }, { longestPauseMs: Number.NaN }]) {
      assert.throws(() => createClient({ url: "http://x", retry }), RangeError);
    }
  });
});
