import {
  BunkmsApiError,
  ConnectionError,
  createClient,
  createEnvelope,
  createJwsSigner,
  decryptFile,
  type EnvelopeClient,
  EnvelopeError,
  encryptFile,
  FileCipherError,
  type FileClient,
  fileToken,
  RequestError,
} from "@bunkms/client";
import type { EnvelopeVector } from "../../spec/vectors/envelope-vectors.ts";
import type { FileVector } from "../../spec/vectors/file-vectors.ts";

/** What the programme needs to know. */
export interface ProgrammeSettings {
  readonly rest: string;
  readonly token: string;
  /** Absent in browsers, where what needs it must be refused. */
  readonly more?: { readonly grpc: string; readonly tokenFile: string };
  /** For the names of its keys. */
  readonly runtime: string;
  readonly envelopeVectors: readonly EnvelopeVector[];
  readonly fileVectors: readonly FileVector[];
}

/** How one check went; `problem` is absent when it went well. */
export interface CheckResult {
  readonly name: string;
  readonly problem?: string;
}

type Check = (settings: ProgrammeSettings) => Promise<void>;

/** What every runtime must be able to do, in the words of the web platform alone. */
const CHECKS: Readonly<Record<string, Check>> = {
  "encrypts and decrypts over REST": async ({ rest, token, runtime }) => {
    const client = createClient({ url: rest, token });
    const { name } = await client.keys.createKey({ name: `rest-${runtime}` });
    const data = { case: "plaintext", value: "grüße" } as const;
    const { ciphertext } = await client.keys.encrypt({ keyName: name, data, context: { tenant: "acme" } });
    const { plaintext } = await client.keys.decrypt({ keyName: name, ciphertext, context: { tenant: "acme" } });
    equal(plaintext, "grüße");
    equal((await client.ready()).ok, true);
  },

  "knows errors by their codes": async ({ rest, token }) => {
    const missing = await failure(createClient({ url: rest, token }).keys.getKey({ name: "no-such-key" }));
    ensure(missing instanceof BunkmsApiError, String(missing));
    equal([missing.code, missing.httpStatus, missing.requestId !== ""], ["not_found", 404, true]);
    const nowhere = await failure(createClient({ url: "http://127.0.0.1:1", token, retry: false }).health());
    ensure(nowhere instanceof ConnectionError, String(nowhere));
  },

  "sends again what failed, under one idempotency key": async ({ rest, token, runtime }) => {
    const keys: (string | null)[] = [];
    const client = createClient({
      url: rest,
      token,
      retry: { firstPauseMs: 1 },
      fetch: async (url, init) => {
        keys.push(new Headers(init.headers).get("idempotency-key"));
        if (keys.length < 3) {
          return new Response("", { status: 503 });
        }
        return fetch(url, init);
      },
    });
    await client.keys.createKey({ name: `again-${runtime}` });
    equal(keys.length, 3);
    ensure(/^[0-9a-f]{32}$/.test(keys[0] ?? "") && new Set(keys).size === 1, keys.join());
  },

  "gives up when told so": async ({ rest, token }) => {
    const client = createClient({
      url: rest,
      token,
      fetch: (_, { signal }) =>
        new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    });
    const controller = new AbortController();
    const pending = failure(client.tokens.getSelf({}, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    equal(String(await pending), "Error: enough");
    const late = await failure(client.tokens.getSelf({}, { timeoutMs: 50 }));
    ensure(late instanceof ConnectionError && late.message.includes("no answer within 0.05 s"), String(late));
  },

  "seals messages by envelope, with one call for many": async ({ rest, token, runtime }) => {
    let calls = 0;
    const client = createClient({
      url: rest,
      token,
      fetch: (url, init) => {
        calls += 1;
        return fetch(url, init);
      },
    });
    const keyName = `envelope-${runtime}`;
    await client.keys.createKey({ name: keyName });
    calls = 0;
    const envelope = createEnvelope(client, { keyName });
    const binding = { context: { tenant: "acme" }, additionalData: new TextEncoder().encode("row 7") };
    const messages = await Promise.all(["a", "b", "c"].map((text) => envelope.encrypt(text, binding)));
    const texts = await Promise.all(messages.map(async (message) => text(await envelope.decrypt(message, binding))));
    equal([texts, calls], [["a", "b", "c"], 1]);
    const other = createEnvelope(client, { keyName, cache: false });
    equal(text(await other.decrypt(messages[0] as Uint8Array, binding)), "a");
    const wrong = await failure(other.decrypt(messages[0] as Uint8Array, { context: binding.context }));
    ensure(wrong instanceof EnvelopeError && wrong.code === "decryption_failed", String(wrong));
  },

  "reads all vectors of envelope messages": async ({ envelopeVectors }) => {
    for (const vector of envelopeVectors) {
      const decrypt = async () => ({ plaintextB64: fromHex(vector.data_key) });
      const envelope = createEnvelope({ keys: { decrypt } } as unknown as EnvelopeClient, {
        keyName: "k",
        cache: false,
      });
      const additionalData = fromHex(vector.additional_data);
      const outcome = await envelope.decrypt(fromHex(vector.message), { context: vector.context, additionalData }).then(
        (plaintext) => toHex(plaintext),
        (error: EnvelopeError) => error.code,
      );
      equal(outcome, vector.outcome === "opens" ? vector.plaintext : vector.outcome, vector.name);
    }
  },

  "encrypts and decrypts files": async ({ rest, token, runtime }) => {
    const client = createClient({ url: rest, token });
    const keyName = `file-${runtime}`;
    await client.keys.createKey({ name: keyName });
    const plaintext = crypto.getRandomValues(new Uint8Array(60_000));
    const whole = new Blob([plaintext, plaintext, plaintext, plaintext]);
    const context = { owner: "alice" };
    const file = await collect(encryptFile(client, whole.stream(), { keyName, context }));
    equal(toHex(await collect(decryptFile(client, [file], { context }))), toHex(await bytesOf(whole)));
    file[file.length - 1] = (file[file.length - 1] as number) ^ 1;
    const changed = await failure(collect(decryptFile(client, [file], { context })));
    ensure(changed instanceof FileCipherError && changed.code === "changed", String(changed));
  },

  "reads all vectors of files": async ({ fileVectors }) => {
    for (const vector of fileVectors) {
      const client = fileClient(vector);
      const file = new Blob(
        vector.file.map((part) => (typeof part === "number" ? new Uint8Array(part) : fromHex(part))),
      );
      const pieces: Uint8Array[] = [];
      let outcome = "opens";
      try {
        for await (const piece of decryptFile(client, file.stream(), givenFor(vector))) {
          pieces.push(piece);
        }
      } catch (error) {
        outcome = (error as FileCipherError).code;
      }
      const released = await bytesOf(new Blob(pieces as Uint8Array<ArrayBuffer>[]));
      const sha256 = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", released)));
      equal([outcome, released.length, sha256], [vector.outcome, vector.released, vector.sha256], vector.name);
    }
  },

  "signs a JWT that WebCrypto verifies": async ({ rest, token, runtime }) => {
    const client = createClient({ url: rest, token });
    const keyName = `jwt-${runtime}`;
    await client.keys.createKey({ name: keyName, type: "ecdsa-p256" });
    const signer = createJwsSigner(client, { keyName, alg: "ES256" });
    const [header = "", claims = "", signature = ""] = (await signer.signJwt({ sub: "alice" })).split(".");
    const { kty = "", crv, x, y } = (await signer.publicJwk()) as unknown as Record<string, string>;
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y } as never, algorithm, false, ["verify"]);
    const bytes = Uint8Array.from(atob(signature.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    equal(await crypto.subtle.verify(algorithm, key, bytes, new TextEncoder().encode(`${header}.${claims}`)), true);
  },

  "speaks gRPC, or says that it cannot": async ({ more, token, runtime }) => {
    const client = createClient({ url: more?.grpc ?? "grpc://127.0.0.1:1", token });
    if (more === undefined) {
      ensure((await failure(client.ready())) instanceof RequestError, "a browser has no gRPC");
      return;
    }
    equal((await client.ready()).ok, true);
    const { name } = await client.keys.createKey({ name: `grpc-${runtime}` });
    const missing = await failure(client.keys.getKey({ name: "no-such-key" }));
    ensure(
      missing instanceof BunkmsApiError && missing.code === "not_found" && missing.requestId !== "",
      String(missing),
    );
    const items = Array.from({ length: 50 }, (_, at) => ({
      data: { case: "plaintext" as const, value: `item ${at}` },
    }));
    async function* batches() {
      for (let batch = 0; batch < 20; batch++) {
        yield { keyName: name, items };
      }
    }
    let sealed = 0;
    for await (const { count, failed } of client.keyStreams.encryptStream(batches())) {
      sealed += count - failed;
    }
    equal(sealed, 1_000);
    for await (const _ of client.keyStreams.encryptStream(batches())) {
      break;
    }
    client.close();
  },

  "reads a token from a file, or says that it cannot": async ({ rest, more }) => {
    const client = createClient({ url: rest, token: fileToken(more?.tokenFile ?? "token") });
    if (more === undefined) {
      ensure((await failure(client.tokens.getSelf({}))) instanceof RequestError, "a browser has no files");
      return;
    }
    equal((await client.tokens.getSelf({})).role, "root");
  },
};

/** Runs all checks, also when some fail. */
export async function runProgramme(settings: ProgrammeSettings): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      await check(settings);
      results.push({ name });
    } catch (error) {
      results.push({ name, problem: error instanceof Error ? `${error}\n${error.stack}` : String(error) });
    }
  }
  return results;
}

/** A client of a server that unwraps to the vector's data key. */
function fileClient(vector: FileVector): FileClient {
  const decrypt = async () => ({ plaintextB64: fromHex(vector.data_key) });
  return { keys: { decrypt } } as unknown as FileClient;
}

/** Additional data of the kind that the vector's file was written with. */
function givenFor({ additional_data: given }: FileVector) {
  if (given === null) {
    return {};
  }
  return "raw" in given
    ? { binding: { case: "aadB64" as const, value: fromHex(given.raw) } }
    : { context: given.context };
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of pieces) {
    all.push(piece as Uint8Array<ArrayBuffer>);
  }
  return bytesOf(new Blob(all));
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  const nothing = {};
  const error = await promise.then(
    () => nothing,
    (thrown: unknown) => thrown,
  );
  ensure(error !== nothing, "it went well, and should not");
  return error;
}

function equal(actual: unknown, expected: unknown, where = ""): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  ensure(one === other, `${where} got ${one?.slice(0, 500)}, not ${other?.slice(0, 500)}`);
}

function ensure(holds: boolean, text: string): asserts holds {
  if (!holds) {
    throw new Error(text);
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
