import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONTRACT_FILES } from "@bunkms/contract";
import { createClient } from "./client.ts";
import { BunkmsApiError, ConnectionError, RequestError, UnexpectedAnswerError } from "./errors.ts";
import { messageFromJson, messageToJson } from "./json.ts";
import { findOperation, OPERATIONS } from "./operation-lookup.ts";
import type { Fetch } from "./options.ts";

const URL_ = "http://kms.test:8080";

interface Seen {
  readonly url: string;
  readonly init: RequestInit & { readonly headers: Record<string, string> };
}

/** A fetch that answers the same each time and remembers what it was asked. */
function answering(status: number, body: string, contentType = "application/json"): { fetch: Fetch; seen: Seen[] } {
  const seen: Seen[] = [];
  const fetch: Fetch = (url, init) => {
    seen.push({ url, init: init as Seen["init"] });
    return Promise.resolve(new Response(body, { status, headers: { "content-type": contentType } }));
  };
  return { fetch, seen };
}

/** A fetch that fails as the runtime's does when the socket fails. */
function failing(code: string): Fetch {
  return () => Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code }) }));
}

/** Sends each call once. */
function connect(fetch: Fetch, token = "bkms_x") {
  return createClient({ url: URL_, token, fetch, retry: false });
}

test("TLS options that would have no effect are refused", () => {
  const tls = { ca: "" };
  for (const url of ["http://kms.test", "grpc://kms.test:1"]) {
    assert.throws(() => createClient({ url, tls }), RequestError);
  }
  const { fetch } = answering(200, "{}");
  assert.throws(() => createClient({ url: "https://kms.test", tls, fetch }), RequestError);
});

describe("a request", () => {
  test("has the path's fields in the path and the others in a JSON body with proto field names", async () => {
    const { fetch, seen } = answering(200, "{}");
    const data = { case: "plaintextB64", value: new Uint8Array([1, 2]) } as const;
    await connect(fetch).keys.encrypt({ keyName: "a.b", data, context: { k: "v" } });
    assert.equal(seen[0]?.url, `${URL_}/v1/encrypt/a.b`);
    assert.equal(seen[0].init.method, "POST");
    assert.deepEqual(JSON.parse(String(seen[0].init.body)), { plaintext_b64: "AQI=", context: { k: "v" } });
    assert.equal(seen[0].init.headers["content-type"], "application/json");
    assert.equal(seen[0].init.headers["authorization"], "Bearer bkms_x");
  });

  test("without a body has the other fields in the query and no content type", async () => {
    const { fetch, seen } = answering(200, "{}");
    const since = { seconds: 1_700_000_000n, nanos: 0 };
    await connect(fetch).audit.listAuditEntries({ identity: "a b&c", since, pageSize: 5 });
    assert.equal(seen[0]?.url, `${URL_}/v1/audit/entries?identity=a+b%26c&since=2023-11-14T22%3A13%3A20Z&page_size=5`);
    assert.equal(seen[0].init.headers["content-type"], undefined);
    assert.equal(seen[0].init.body, undefined);
  });

  test("keeps the slashes of a secret's name and encodes everything else", async () => {
    const { fetch, seen } = answering(200, "{}");
    await connect(fetch).secrets.getSecret({ name: "prod/db?x=1#y/ü%2f" });
    assert.equal(seen[0]?.url, `${URL_}/v1/secrets/prod/db%3Fx%3D1%23y/%C3%BC%252f`);
  });

  test("encodes the slash of a name that is one segment", async () => {
    const { fetch, seen } = answering(200, "{}");
    await connect(fetch).keys.getKey({ name: "a/b" });
    assert.equal(seen[0]?.url, `${URL_}/v1/keys/a%2Fb`);
  });

  for (const name of ["", ".", "..", "a/../b", "a//b", "a/", "/a", "a/\ud800"]) {
    test(`REQ-22 is not sent when the name ${JSON.stringify(name)} would reach another path`, async () => {
      const { fetch, seen } = answering(200, "{}");
      await assert.rejects(connect(fetch).secrets.getSecret({ name }), RequestError);
      assert.equal(seen.length, 0);
    });
  }

  test("REQ-37: is answered with no more than any answer has: the rest is not read", async () => {
    let read = 0;
    let isLetGo = false;
    const endless: Fetch = async () => {
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          read += 1;
          controller.enqueue(new Uint8Array(1024 * 1024));
        },
        cancel() {
          isLetGo = true;
        },
      });
      return new Response(body, { headers: { "content-type": "application/json" } });
    };
    await assert.rejects(connect(endless).tokens.getSelf({}), UnexpectedAnswerError);
    assert.ok(read < 70 && isLetGo, `${read} MiB`);
  });

  test("never follows a redirect, which would carry the token elsewhere", async () => {
    const { fetch, seen } = answering(200, "{}");
    await connect(fetch).tokens.getSelf({});
    assert.equal(seen[0]?.init.redirect, "error");
  });

  test("is not sent with a request id that the server does not take", async () => {
    const { fetch, seen } = answering(200, "{}");
    for (const requestId of ["", "a b", "a\r\nx: y", "a".repeat(65)]) {
      await assert.rejects(connect(fetch).tokens.getSelf({}, { requestId }), RequestError);
    }
    assert.equal(seen.length, 0);
  });

  test("carries the caller's request id", async () => {
    const { fetch, seen } = answering(200, "{}");
    await connect(fetch).tokens.getSelf({}, { requestId: "job-7" });
    assert.equal(seen[0]?.init.headers["x-request-id"], "job-7");
  });

  test("keeps a path of the base address", async () => {
    const { fetch, seen } = answering(200, "{}");
    await createClient({ url: "https://x.test/kms/", fetch }).tokens.getSelf({});
    assert.equal(seen[0]?.url, "https://x.test/kms/v1/tokens/self");
    assert.equal(seen[0].init.headers["authorization"], undefined);
  });

  test("asks for the token anew each time", async () => {
    const { fetch, seen } = answering(200, "{}");
    let count = 0;
    const client = createClient({ url: URL_, token: async () => `t${++count}`, fetch });
    await client.tokens.getSelf({});
    await client.tokens.getSelf({});
    assert.deepEqual(
      seen.map((one) => one.init.headers["authorization"]),
      ["Bearer t1", "Bearer t2"],
    );
  });

  test("with a token that cannot be a header is not sent, and the error does not quote the token", async () => {
    const { fetch, seen } = answering(200, "{}");
    await assert.rejects(connect(fetch, "bkms_secret\n").tokens.getSelf({}), (error: Error) => {
      assert.ok(error instanceof RequestError);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.equal(seen.length, 0);
  });

  for (const url of [
    ...["kms.test:8080", "ftp://x", "http://u:p@x", "http://x/?a", "http://x/#a", ""],
    ...["grpc://x", "grpc://x:1/path", "grpc://u@x:1", "grpc:x:1", "grpc://"],
  ]) {
    test(`goes to no such address as ${JSON.stringify(url)}`, () => {
      assert.throws(() => createClient({ url }), RequestError);
    });
  }
});

describe("an answer", () => {
  test("becomes a typed message, and fields of a newer server are passed over", async () => {
    const { fetch } = answering(201, '{"name":"k","latest_version":3,"created_at":"2026-01-02T03:04:05Z","new":1}');
    const key = await connect(fetch).keys.createKey({ name: "k" });
    assert.equal(key.latestVersion, 3);
    assert.equal(key.createdAt?.seconds, 1_767_323_045n);
  });

  test("that is no JSON of the contract's arrives as it is", async () => {
    const { fetch } = answering(200, "# HELP x\n", "text/plain; version=0.0.4");
    const metrics = await connect(fetch).system.getMetrics({});
    assert.equal(metrics.contentType, "text/plain; version=0.0.4");
    assert.equal(Buffer.from(metrics.data).toString(), "# HELP x\n");
  });

  test("with the server's error body becomes an error with code, request id, status and whether to retry", async () => {
    const { fetch } = answering(503, '{"error":"text","code":"storage_unavailable","request_id":"r1"}');
    await assert.rejects(connect(fetch).keys.getKey({ name: "k" }), (error) => {
      assert.ok(error instanceof BunkmsApiError);
      const { code, message, requestId, httpStatus, retryable } = error;
      assert.deepEqual(
        { code, message, requestId, httpStatus, retryable },
        { code: "storage_unavailable", message: "text", requestId: "r1", httpStatus: 503, retryable: true },
      );
      return true;
    });
  });

  test("with a code that this client does not know is still an API error", async () => {
    const { fetch } = answering(418, '{"error":"t","code":"constructor","request_id":"r"}');
    await assert.rejects(connect(fetch).keys.getKey({ name: "k" }), { code: "constructor", retryable: false });
  });

  test("has a text of one line and bounded length, whatever the answer says", async () => {
    const error = `no\nlevel=info \u001b[2J\u009b1m\u2028${"é".repeat(5_000)}`;
    const { fetch } = answering(404, JSON.stringify({ error, code: "not_found" }));
    await assert.rejects(connect(fetch).keys.getKey({ name: "k" }), ({ message }: Error) => {
      assert.match(message, /^no\\nlevel=info \\x1b\[2J\\x9b1m\\u2028é{900,1024}…$/);
      return true;
    });
  });

  for (const [status, body] of [
    [502, "<html>Bad gateway</html>"],
    [200, "<html>hello, secret</html>"],
    [200, '{"name": 5}'],
    [404, '["x"]'],
    [404, '{"error":"secret","code":"x y"}'],
    [404, '{"error":"x","code":"not_found","request_id":"secret\\n"}'],
    [200, "\xff"],
  ] as const) {
    test(`${status} ${JSON.stringify(body)} is not taken for one of BunKMS, nor quoted`, async () => {
      const { fetch } = answering(status, body, "text/html");
      await assert.rejects(connect(fetch).keys.getKey({ name: "k" }), (error: Error) => {
        assert.ok(error instanceof UnexpectedAnswerError);
        assert.equal(error.httpStatus, status);
        assert.doesNotMatch(error.message + String(error.cause), /secret/);
        return true;
      });
    });
  }
});

describe("a connection that fails", () => {
  for (const [code, text] of [
    ["ECONNREFUSED", /nothing listens/],
    ["ENOTFOUND", /no such host/],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", /signed by itself/],
    ["SOMETHING_NEW", /failed/],
  ] as const) {
    test(`with ${code} says so, names the address and tells what to do`, async () => {
      await assert.rejects(connect(failing(code)).tokens.getSelf({}), (error) => {
        assert.ok(error instanceof ConnectionError);
        assert.match(error.message, text);
        assert.equal(error.url, URL_);
        assert.notEqual(error.advice, "");
        return true;
      });
    });
  }

  const hanging: Fetch = (_url, init) =>
    new Promise((_resolve, reject) => {
      const giveUp = () => reject(init.signal?.reason as Error);
      init.signal?.aborted ? giveUp() : init.signal?.addEventListener("abort", giveUp);
    });

  test("by time says after how long", async () => {
    const client = createClient({ url: URL_, fetch: hanging, timeoutMs: 20 });
    await assert.rejects(client.health(), /cannot reach http:\/\/kms\.test:8080: no answer within 0\.02 s/);
  });

  test("by time is not one that has more time than a timer counts", async () => {
    const { fetch } = answering(200, "{}");
    await createClient({ url: URL_, fetch, timeoutMs: 2 ** 40 }).tokens.getSelf({});
  });

  test("because the caller gave up rejects with the caller's reason", async () => {
    const controller = new AbortController();
    const pending = connect(hanging).tokens.getSelf({}, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(pending, /^Error: enough$/);
  });
});

describe("the health checks", () => {
  test("send no token, and a refusal is an answer", async () => {
    const { fetch, seen } = answering(503, '{"status":"sealed"}');
    assert.deepEqual(await connect(fetch).ready(), { ok: false, httpStatus: 503, body: { status: "sealed" } });
    assert.equal(seen[0]?.url, `${URL_}/ready`);
    assert.equal(seen[0].init.headers["authorization"], undefined);
  });
});

describe("the contract", () => {
  test("has each of its services and methods in the client", () => {
    const client = connect(answering(200, "{}").fetch) as unknown as Record<string, Record<string, unknown>>;
    const present = Object.values(client).flatMap((part) => (typeof part === "object" ? Object.keys(part) : []));
    const methods = CONTRACT_FILES.flatMap((file) => file.services.flatMap((service) => service.methods));
    assert.deepEqual(present.toSorted(), methods.map((method) => method.localName).toSorted());
  });

  test("has streams over gRPC only, and says so", async () => {
    const { fetch, seen } = answering(200, "{}");
    const answers = connect(fetch).keyStreams.encryptStream([{ keyName: "k" }]);
    await assert.rejects(answers.next(), (error) => error instanceof RequestError && /grpcs:/.test(error.message));
    assert.equal(seen.length, 0);
  });

  test("lets operations be found by method, full method and policy action", () => {
    const wanted = OPERATIONS.find((spec) => spec.action === "keys.create");
    for (const name of ["keys.create", "KeyService.CreateKey", "bunkms.v1.KeyService/CreateKey"]) {
      assert.equal(findOperation(name), wanted);
    }
    assert.equal(findOperation("createKey"), undefined);
  });

  test("refuses a request in JSON that does not fit, naming the field and not the value", () => {
    const schema = findOperation("keys.encrypt")?.method.input;
    assert.ok(schema);
    assert.throws(() => messageFromJson(schema, { key_name: 5 }), /its field key_name is not valid/);
    assert.throws(
      () => messageFromJson(schema, { nonsense: "secret" }),
      (error: Error) => {
        assert.ok(error instanceof RequestError);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });

  test("refuses an unknown field of an item of a list, too, and takes items that fit", () => {
    const schema = findOperation("keys.encrypt_batch")?.method.input;
    assert.ok(schema);
    const items = [{ plaintext: "a" }, { plaintext_b64: "Yg==", context: { any: "name" } }];
    assert.doesNotThrow(() => messageFromJson(schema, { key_name: "k", items }));
    assert.throws(
      () => messageFromJson(schema, { key_name: "k", items: [...items, { plain: "secret" }] }),
      /^RequestError: bunkms\.v1\.EncryptItem has no field "plain"$/,
    );
  });

  test("gives JSON with every field that has a default", async () => {
    const { fetch } = answering(200, '{"keys":[]}');
    const page = await connect(fetch).keys.listKeys({});
    assert.deepEqual(messageToJson(page), { keys: [], next_page_token: "" });
  });
});
