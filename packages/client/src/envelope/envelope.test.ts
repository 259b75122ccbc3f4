import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, mock, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { BunkmsApiError, RequestError, UnexpectedAnswerError } from "../errors.ts";
import type { CachePolicy } from "./cache-policy.ts";
import { createEnvelope, type Envelope, type EnvelopeClient } from "./envelope.ts";
import { EnvelopeError } from "./envelope-error.ts";

/** A server with one key, that remembers what it was asked and handed out, and wraps by putting a data key into a list. */
function fakeServer() {
  const dataKeys = new Map<string, { readonly bytes: Buffer; readonly context: string }>();
  const asked: string[] = [];
  const handedOut: Buffer[] = [];
  const hand = (bytes: Uint8Array) => {
    const copy = Buffer.from(bytes);
    handedOut.push(copy);
    return copy;
  };
  const keys = {
    async generateDataKey(request: { name: string; bytes: number; context: object }) {
      asked.push(`generate ${request.name}`);
      await setImmediate();
      const bytes = randomBytes(request.bytes);
      const ciphertext = randomBytes(149).toString("base64");
      dataKeys.set(ciphertext, { bytes, context: JSON.stringify(request.context) });
      return { plaintextB64: hand(bytes), ciphertext };
    },
    async decrypt(request: { keyName: string; ciphertext: string; context: object }) {
      asked.push(`decrypt ${request.keyName}`);
      await setImmediate();
      const found = dataKeys.get(request.ciphertext);
      if (found === undefined || found.context !== JSON.stringify(request.context)) {
        throw apiError("decryption_failed");
      }
      return { plaintextB64: hand(found.bytes) };
    },
  };
  return { client: { keys } as unknown as EnvelopeClient, asked, handedOut, keys };
}

function apiError(code: string): BunkmsApiError {
  return new BunkmsApiError({ code, message: code, requestId: "r", httpStatus: 400, retryable: false });
}

/** Runs with an envelope that is closed afterwards. */
async function withEnvelope(
  cache: CachePolicy | false | undefined,
  body: (envelope: Envelope, server: ReturnType<typeof fakeServer>) => Promise<void>,
): Promise<void> {
  const server = fakeServer();
  const envelope = createEnvelope(server.client, { keyName: "k", ...(cache === undefined ? {} : { cache }) });
  try {
    await body(envelope, server);
  } finally {
    envelope.close();
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("a message", () => {
  test("comes back, bytes and text, with what it is bound to", async () => {
    await withEnvelope(undefined, async (envelope) => {
      const binding = { context: { tenant: "acme" }, additionalData: Buffer.from("row 7") };
      for (const length of [0, 1, 100_000]) {
        const plaintext = randomBytes(length);
        assert.deepEqual(
          Buffer.from(await envelope.decrypt(await envelope.encrypt(plaintext, binding), binding)),
          plaintext,
        );
      }
      const message = await envelope.encryptToText("grüße", binding);
      assert.match(message, /^bkme/);
      assert.equal(text(await envelope.decrypt(message, binding)), "grüße");
      const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
      assert.deepEqual([...(await envelope.decrypt(await envelope.encrypt(shared)))], [7, 7, 7]);
    });
  });

  test("is another each time", async () => {
    await withEnvelope(undefined, async (envelope) => {
      assert.notDeepEqual(await envelope.encrypt("x"), await envelope.encrypt("x"));
    });
  });

  test("REQ-14: is refused with another binding, with one code, and by the server when its context is another", async () => {
    await withEnvelope(undefined, async (envelope) => {
      const message = await envelope.encrypt("x", { context: { a: "1" }, additionalData: Buffer.from("b") });
      await assert.rejects(envelope.decrypt(message, { context: { a: "1" } }), { code: "decryption_failed" });
      await assert.rejects(
        envelope.decrypt(message, { context: { a: "2" }, additionalData: Buffer.from("b") }),
        (error) => error instanceof BunkmsApiError && error.code === "decryption_failed",
      );
    });
  });

  test("REQ-07: leaves no data key's bytes behind", async () => {
    await withEnvelope(undefined, async (envelope, { client, handedOut }) => {
      const message = await envelope.encrypt("x");
      await createEnvelope(client, { keyName: "k", cache: false }).decrypt(message);
      assert.equal(handedOut.length, 2);
      assert.ok(handedOut.every((bytes) => bytes.every((byte) => byte === 0)));
    });
  });

  test("is refused before anybody is asked, when it cannot be", async () => {
    await withEnvelope(undefined, async (envelope, { asked }) => {
      const additionalData = new Uint8Array(1024 * 1024 + 1);
      await assert.rejects(envelope.encrypt("\ud800"), RequestError);
      await assert.rejects(envelope.encrypt("x", { context: { a: "\ud800" } }), RequestError);
      await assert.rejects(envelope.encrypt("x", { context: { a: "x".repeat(65_536) } }), RequestError);
      await assert.rejects(envelope.encrypt("x", { additionalData }), RequestError);
      await assert.rejects(envelope.encrypt(new Uint8Array(64 * 1024 * 1024 + 1)), RequestError);
      await assert.rejects(envelope.decrypt("no message"), EnvelopeError);
      assert.deepEqual(asked, []);
    });
  });

  test("is not made when the server's data key is not as it must be", async () => {
    for (const answer of [
      { plaintextB64: Buffer.alloc(31, 1), ciphertext: "AAAA" },
      { plaintextB64: Buffer.alloc(32, 1), ciphertext: "AAA" },
      { plaintextB64: Buffer.alloc(32, 1), ciphertext: "A".repeat(8_196) },
    ]) {
      await withEnvelope(undefined, async (envelope, { keys }) => {
        keys.generateDataKey = async () => answer;
        await assert.rejects(envelope.encrypt("x"), UnexpectedAnswerError);
        assert.ok(answer.plaintextB64.every((byte) => byte === 0));
      });
    }
  });
});

describe("a data key that is kept", () => {
  test("serves many messages, and opening them costs no call", async () => {
    await withEnvelope(undefined, async (envelope, { asked }) => {
      const messages = await Promise.all(Array.from({ length: 20 }, (_, at) => envelope.encrypt(`message ${at}`)));
      assert.equal(text(await envelope.decrypt(messages[19] as Uint8Array)), "message 19");
      assert.deepEqual(asked, ["generate k"]);
    });
  });

  test("is unwrapped once for all who miss it at once", async () => {
    const server = fakeServer();
    const message = await createEnvelope(server.client, { keyName: "k" }).encrypt("x");
    const reader = createEnvelope(server.client, { keyName: "k" });
    await Promise.all(Array.from({ length: 20 }, () => reader.decrypt(message)));
    assert.deepEqual(server.asked, ["generate k", "decrypt k"]);
    reader.close();
  });

  test("serves one context", async () => {
    await withEnvelope(undefined, async (envelope, { asked }) => {
      const one = await envelope.encrypt("x", { context: { a: "1", b: "2" } });
      await envelope.encrypt("x", { context: { b: "2", a: "1" } });
      assert.equal(asked.length, 1);
      await envelope.encrypt("x", { context: { a: "1" } });
      assert.equal(asked.length, 2);
      await assert.rejects(envelope.decrypt(one, { context: { a: "1" } }), BunkmsApiError);
    });
  });

  test("serves the context that was given, also when the caller changes the object at once", async () => {
    await withEnvelope(undefined, async (envelope, { client }) => {
      const tenants = ["acme", "other", "third"];
      const context = { tenant: "" };
      const messages = await Promise.all(
        tenants.map((tenant) => {
          context.tenant = tenant;
          return envelope.encrypt(tenant, { context });
        }),
      );
      const fresh = createEnvelope(client, { keyName: "k" });
      for (const [at, tenant] of tenants.entries()) {
        const own = { context: { tenant } };
        assert.equal(text(await fresh.decrypt(messages[at] as Uint8Array, own)), tenant);
      }
      fresh.close();
    });
  });

  test("is found by the message that was given, also when the caller uses its buffer again", async () => {
    await withEnvelope(undefined, async (envelope, { client }) => {
      const writers = [createEnvelope(client, { keyName: "k" }), createEnvelope(client, { keyName: "k" })] as const;
      const [one, other] = await Promise.all(writers.map((writer) => writer.encrypt("text")));
      const buffer = Uint8Array.from(one as Uint8Array);
      const opened = envelope.decrypt(buffer);
      buffer.set(other as Uint8Array);
      await opened.catch(() => undefined);
      assert.equal(text(await envelope.decrypt(one as Uint8Array)), "text");
    });
  });

  test("serves as many messages and bytes as its limits say, and one message above them", async () => {
    for (const [cache, lengths, calls] of [
      [{ maxMessages: 3 }, [1, 1, 1, 1, 1, 1, 1], 3],
      [{ maxMessages: 1 }, [1, 1, 1], 3],
      [{ maxBytes: 10 }, [4, 6, 1, 9, 1], 3],
      [{ maxBytes: 10 }, [11, 11, 0], 3],
      [{ maxBytes: 10 }, [10, 0, 0], 1],
    ] as const) {
      await withEnvelope(cache, async (envelope, { asked }) => {
        for (const length of lengths) {
          await envelope.encrypt(new Uint8Array(length));
        }
        assert.equal(asked.length, calls, JSON.stringify([cache, lengths]));
      });
    }
    await withEnvelope({ maxMessages: 3 }, async (envelope, { asked }) => {
      await Promise.all(Array.from({ length: 9 }, () => envelope.encrypt("x")));
      assert.equal(asked.length, 3);
    });
  });

  test("is forgotten when it is old, also where the clock was set, and when others came since", async () => {
    mock.timers.enable({ apis: ["Date", "setTimeout"] });
    try {
      await withEnvelope({ maxAgeMs: 1_000 }, async (envelope, { asked }) => {
        const message = await envelope.encrypt("x");
        mock.timers.setTime(999);
        await envelope.encrypt("x");
        await envelope.decrypt(message);
        assert.equal(asked.length, 1);
        mock.timers.setTime(1_000);
        await envelope.decrypt(message);
        await envelope.encrypt("x");
        assert.deepEqual(asked, ["generate k", "decrypt k", "generate k"]);
      });
    } finally {
      mock.timers.reset();
    }
    await withEnvelope({ maxKeys: 2 }, async (envelope, { asked }) => {
      const first = await envelope.encrypt("x", { context: { a: "1" } });
      await envelope.encrypt("x", { context: { a: "2" } });
      await envelope.decrypt(first, { context: { a: "1" } });
      assert.deepEqual(asked, ["generate k", "generate k", "decrypt k"]);
    });
  });

  test("is none when the policy says so, and after the envelope was closed", async () => {
    await withEnvelope(false, async (envelope, { asked }) => {
      await envelope.decrypt(await envelope.encrypt("x"));
      assert.deepEqual(asked, ["generate k", "decrypt k"]);
    });
    await withEnvelope(undefined, async (envelope, { asked }) => {
      const pending = envelope.encrypt("x");
      envelope.close();
      const message = await pending;
      await envelope.decrypt(message);
      await envelope.decrypt(message);
      assert.deepEqual(asked, ["generate k", "decrypt k", "decrypt k"]);
    });
  });

  test("is none when it was not got: the next who comes asks again", async () => {
    await withEnvelope(undefined, async (envelope, { keys, asked }) => {
      const generate = keys.generateDataKey;
      keys.generateDataKey = async () => {
        throw apiError("permission_denied");
      };
      const both = await Promise.allSettled([envelope.encrypt("x"), envelope.encrypt("x")]);
      assert.deepEqual(
        both.map(({ status }) => status),
        ["rejected", "rejected"],
      );
      keys.generateDataKey = generate;
      await envelope.encrypt("x");
      assert.deepEqual(asked, ["generate k"]);
    });
  });

  test("is waited for by others when one gives up", async () => {
    await withEnvelope(undefined, async (envelope, { asked }) => {
      const controller = new AbortController();
      const one = envelope.encrypt("x", {}, { signal: controller.signal });
      const other = envelope.encrypt("x");
      controller.abort(new Error("enough"));
      await assert.rejects(one, /^Error: enough$/);
      await other;
      await assert.rejects(envelope.encrypt("x", {}, { signal: controller.signal }), /^Error: enough$/);
      assert.deepEqual(asked, ["generate k"]);
    });
  });

  test("has limits that are refused when they are none", () => {
    const { client } = fakeServer();
    for (const cache of [
      { maxKeys: 0 },
      { maxAgeMs: 0 },
      { maxAgeMs: 24 * 3_600_000 + 1 },
      { maxMessages: 2 ** 32 + 1 },
      { maxBytes: Number.NaN },
    ]) {
      assert.throws(() => createEnvelope(client, { keyName: "k", cache }), RangeError);
    }
  });
});
