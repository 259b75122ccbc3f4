import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { BunkmsApiError } from "../errors.ts";
import { decryptFile, type EncryptFileOptions, encryptFile, type FileBinding, type FileClient } from "./file-cipher.ts";
import { FileCipherError } from "./file-error.ts";

const SEGMENT = 65_536;
const ID = "0123456789abcdef0123456789abcdef";
const OTHER_ID = "f".repeat(32);
const WRAPPED = Buffer.from(`6e49ac0478${ID}${"00".repeat(128)}`, "hex").toString("base64");

/** A server with one key that wraps one data key, and remembers what it was asked and what it handed out. */
function fakeClient({ id = ID, canSeeKey = true } = {}) {
  const dataKey = randomBytes(32);
  const asked: string[] = [];
  const handedOut: Buffer[] = [];
  let bound: string | undefined;
  const hand = () => {
    const copy = Buffer.from(dataKey);
    handedOut.push(copy);
    return copy;
  };
  const said = ({ binding, context }: FileBinding) => JSON.stringify([binding?.value, context]);
  const keys = {
    async generateDataKey(request: EncryptFileOptions & { name: string; bytes: number }) {
      asked.push(`datakey ${request.name} ${request.bytes}`);
      bound = said(request);
      return { plaintextB64: hand(), ciphertext: WRAPPED };
    },
    async decrypt(request: FileBinding & { keyName: string; ciphertext: string }) {
      asked.push(`decrypt ${request.keyName}`);
      if (id !== ID || request.ciphertext !== WRAPPED || said(request) !== bound) {
        throw apiError("decryption_failed");
      }
      return { plaintextB64: hand() };
    },
    async getKey({ name }: { name: string }) {
      asked.push(`get ${name}`);
      if (!canSeeKey) {
        throw apiError("permission_denied");
      }
      return { id };
    },
  };
  return { client: { keys } as unknown as FileClient, asked, handedOut, keys };
}

function apiError(code: string): BunkmsApiError {
  return new BunkmsApiError({ code, message: code, requestId: "r", httpStatus: 400, retryable: false });
}

async function* inChunks(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) {
    all.push(piece);
  }
  return Buffer.concat(all);
}

function encrypted(client: FileClient, plaintext: Uint8Array, binding: FileBinding = {}): Promise<Buffer> {
  return collect(encryptFile(client, inChunks(plaintext, 1024 * 1024), { keyName: "k", ...binding }));
}

/** What comes out before the error, and the error's code. */
async function failure(client: FileClient, file: Uint8Array, options = {}): Promise<readonly [string, number]> {
  let released = 0;
  try {
    for await (const piece of decryptFile(client, inChunks(file, 1024 * 1024), options)) {
      released += piece.length;
    }
  } catch (error) {
    assert.ok(error instanceof FileCipherError, String(error));
    return [error.code, released];
  }
  assert.fail("it opened");
}

describe("a file", () => {
  for (const length of [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 5 * SEGMENT + 17]) {
    test(`of ${length} bytes comes back, however it is cut into chunks`, async () => {
      const { client } = fakeClient();
      const plaintext = randomBytes(length);
      for (const chunk of [length < 10 ? 1 : 999, SEGMENT, SEGMENT + 1, 1024 * 1024]) {
        const file = await collect(encryptFile(client, inChunks(plaintext, chunk), { keyName: "k" }));
        assert.ok(plaintext.equals(await collect(decryptFile(client, inChunks(file, chunk)))));
        const segments = Math.max(1, Math.ceil(length / SEGMENT));
        const header = 14 + 1 + WRAPPED.length + 96;
        assert.equal(file.length, header + length + segments * 20);
      }
    });
  }

  test("goes through stream.pipeline, empty chunks and all", async () => {
    const { client } = fakeClient();
    const plaintext = randomBytes(3 * SEGMENT);
    const chunks = [Buffer.alloc(0), plaintext.subarray(0, 5), Buffer.alloc(0), plaintext.subarray(5), Buffer.alloc(0)];
    const result: Buffer[] = [];
    await pipeline(
      Readable.from(chunks),
      (source) => encryptFile(client, source, { keyName: "k" }),
      (source) => decryptFile(client, source),
      new Writable({
        write(chunk, _encoding, done) {
          result.push(chunk);
          done();
        },
      }),
    );
    assert.ok(plaintext.equals(Buffer.concat(result)));
  });

  test("is another each time, with a data key of 32 bytes from the named key", async () => {
    const { client, asked } = fakeClient();
    const [one, other] = [await encrypted(client, Buffer.alloc(100)), await encrypted(client, Buffer.alloc(100))];
    // The fake gives the same data key: the salt alone makes the difference, in the payload, too.
    assert.notDeepEqual(one.subarray(-116), other.subarray(-116));
    assert.deepEqual(asked, ["datakey k 32", "datakey k 32"]);
  });

  test("REQ-07: leaves no data key behind, neither when it opens nor when it does not", async () => {
    const { client, handedOut } = fakeClient();
    const file = await encrypted(client, randomBytes(10));
    await collect(decryptFile(client, inChunks(file, 1000)));
    const commitment = file.length - 30 - 64;
    const other = Buffer.from(file);
    other[commitment] = (other[commitment] ?? 0) ^ 1;
    await failure(client, other);
    assert.equal(handedOut.length, 2);
    assert.ok(handedOut.every((key) => key.every((byte) => byte === 0)));
  });

  test("lets go of its source when it fails or is given up", async () => {
    const { client, keys } = fakeClient();
    const file = await encrypted(client, randomBytes(5 * SEGMENT));
    const closed: string[] = [];
    const source = async function* (name: string, bytes: Uint8Array) {
      try {
        yield* inChunks(bytes, 70_000);
      } finally {
        closed.push(name);
      }
    };
    const pieces = encryptFile(client, source("encrypting", Buffer.alloc(200_000)), { keyName: "k" });
    await pieces.next();
    await pieces.next();
    await pieces.return(undefined);
    for await (const _ of decryptFile(client, source("decrypting", file))) {
      break;
    }
    await assert.rejects(collect(decryptFile(client, source("no such file", randomBytes(200_000)))));
    keys.decrypt = () => Promise.reject(apiError("permission_denied"));
    await assert.rejects(collect(decryptFile(client, source("refused", file))), BunkmsApiError);
    assert.deepEqual(closed, ["encrypting", "decrypting", "no such file", "refused"]);
  });
});

describe("REQ-14: what was changed is refused", () => {
  test("in any bit of a small file, and nothing of it is handed on", async () => {
    const { client, asked } = fakeClient();
    const file = await encrypted(client, randomBytes(40));
    const seen = new Map<string, number>();
    for (let bit = 0; bit < file.length * 8; bit++) {
      const changed = Buffer.from(file);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const [code, released] = await failure(client, changed);
      assert.equal(released, 0);
      seen.set(code, (seen.get(code) ?? 0) + 1);
    }
    assert.equal(seen.get("not_an_encrypted_file"), 64);
    assert.equal(seen.get("unsupported_version"), 8);
    assert.deepEqual([...seen.keys()].toSorted(), [
      "changed",
      "not_an_encrypted_file",
      "truncated",
      "unsupported_version",
    ]);
    // A changed header is noticed before the server is asked; segments have 4 + 40 + 16 bytes.
    assert.equal(asked.filter((call) => call === "decrypt k").length, 60 * 8);
  });

  test("by a cut at any length", async () => {
    const { client } = fakeClient();
    const file = await encrypted(client, randomBytes(40));
    for (let length = 0; length < file.length; length++) {
      const [code, released] = await failure(client, file.subarray(0, length));
      assert.deepEqual([code, released], [length < 8 ? "not_an_encrypted_file" : "truncated", 0]);
    }
  });

  test("by bytes after its end, of any number", async () => {
    const { client } = fakeClient();
    const file = await encrypted(client, randomBytes(40));
    for (const more of [Buffer.alloc(1), Buffer.alloc(20), Buffer.alloc(SEGMENT + 20), file]) {
      assert.deepEqual(await failure(client, Buffer.concat([file, more])), ["changed", 40]);
    }
  });
});

describe("the key and the additional data of a file", () => {
  const aad = { binding: { case: "aad", value: "row 7" } } as const;
  const aadB64 = { binding: { case: "aadB64", value: Buffer.from("row 7") } } as const;
  const context = { context: { tenant: "acme" } } as const;

  for (const [kind, binding] of Object.entries({ aad, aadB64, context })) {
    test(`are asked for again: ${kind}`, async () => {
      const { client } = fakeClient();
      const file = await encrypted(client, Buffer.from("text"), binding);
      assert.equal((await collect(decryptFile(client, inChunks(file, 1000), binding))).toString(), "text");
    });
  }

  test("of another kind are refused without asking the server", async () => {
    const { client, asked } = fakeClient();
    const kinds = { none: {}, raw: aad, context };
    for (const [written, binding] of Object.entries(kinds)) {
      const file = await encrypted(client, Buffer.from("text"), binding);
      for (const [given, options] of Object.entries(kinds)) {
        if (given !== written) {
          assert.deepEqual(await failure(client, file, options), ["wrong_additional_data", 0]);
        }
      }
    }
    assert.equal(asked.filter((call) => call.startsWith("decrypt")).length, 0);
  });

  test("that are empty are none", async () => {
    const { client, keys } = fakeClient();
    const file = await encrypted(client, Buffer.from("text"), { binding: { case: "aad", value: "" }, context: {} });
    keys.decrypt = async () => (await keys.generateDataKey({ keyName: "", name: "", bytes: 32 })) as never;
    assert.equal((await collect(decryptFile(client, inChunks(file, 1000)))).toString(), "text");
  });

  test("with another value are told apart from another key, for who may see the key", async () => {
    const { client } = fakeClient();
    const file = await encrypted(client, Buffer.from("text"), context);
    assert.deepEqual(await failure(client, file, { context: { tenant: "other" } }), ["wrong_additional_data", 0]);
    const elsewhere = fakeClient({ id: OTHER_ID });
    assert.deepEqual(await failure(elsewhere.client, file, context), ["wrong_key", 0]);
    assert.deepEqual(await failure(elsewhere.client, file, { ...context, keyName: "mine" }), ["wrong_key", 0]);
    assert.deepEqual(elsewhere.asked.slice(-2), ["decrypt mine", "get mine"]);
    const blind = fakeClient({ id: OTHER_ID, canSeeKey: false });
    await assert.rejects(collect(decryptFile(blind.client, inChunks(file, 1000), context)), {
      code: "decryption_failed",
    });
  });

  test("are right, but the wrapped data key does not open: the file was changed", async () => {
    const { client, keys } = fakeClient();
    const file = await encrypted(client, Buffer.from("text"));
    keys.decrypt = () => Promise.reject(apiError("decryption_failed"));
    assert.deepEqual(await failure(client, file), ["changed", 0]);
  });

  test("that give another data key are refused by the commitment", async () => {
    const { client, keys } = fakeClient();
    const file = await encrypted(client, Buffer.from("text"));
    keys.decrypt = async () => ({ plaintextB64: randomBytes(32) });
    assert.deepEqual(await failure(client, file), ["wrong_key", 0]);
  });

  test("must fit into a header", async () => {
    const { client, keys, handedOut } = fakeClient();
    for (const keyName of ["", "a b", "é", "n".repeat(257)]) {
      await assert.rejects(collect(encryptFile(client, inChunks(Buffer.alloc(1), 1), { keyName })), RangeError);
    }
    const make = keys.generateDataKey;
    keys.generateDataKey = async (request) => ({ ...(await make(request)), ciphertext: "w".repeat(8193) });
    await assert.rejects(encrypted(client, Buffer.alloc(1)), RangeError);
    assert.ok(handedOut.every((key) => key.every((byte) => byte === 0)));
  });
});
