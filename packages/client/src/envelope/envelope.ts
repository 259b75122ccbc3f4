import type { BunkmsClient } from "../client.ts";
import { type EncryptionContext, encodeAdditionalData, encodeContext } from "../crypto/additional-data.ts";
import { type Bytes, bigEndian, concat, fromBase64, toBase64, toHex, unshared, utf8 } from "../crypto/bytes.ts";
import { importSecret, KEY_LENGTH, sha256 } from "../crypto/webcrypto.ts";
import { RequestError, UnexpectedAnswerError } from "../errors.ts";
import type { CallOptions } from "../options.ts";
import { type CachePolicy, cachePolicy } from "./cache-policy.ts";
import { type DataKey, DataKeyCache } from "./data-key-cache.ts";
import {
  type Bound,
  decryptionFailed,
  MOST_PLAINTEXT,
  MOST_WRAPPED,
  malformed,
  openMessage,
  readMessage,
  sealMessage,
} from "./message.ts";

/** What a message is bound to. It is not stored in the message, and needed again for opening it. */
export interface EnvelopeBinding {
  /** The server sees it, and so do its policies and its audit log. One data key serves one context. */
  readonly context?: EncryptionContext;
  /** The message's own, for example the id of its row. The server does not see it. At most 1 MiB. */
  readonly additionalData?: Uint8Array;
}

/** How messages are sealed. */
export interface EnvelopeOptions {
  /** The key that wraps the data keys. */
  readonly keyName: string;
  /** How data keys are kept; false keeps none, so that each message costs a call. */
  readonly cache?: CachePolicy | false;
}

/** Of the client, what an envelope calls. */
export type EnvelopeClient = Pick<BunkmsClient, "keys">;

/** How long to wait for a data key. The call for it goes on for others who wait. */
export type Waiting = Pick<CallOptions, "signal">;

/**
 * Seals and opens messages under data keys that a key of the server wraps (spec/envelope.md), by WebCrypto: for what is many
 * and small. The server sees no plaintext. While a data key is kept, the server does not know what is done with it. Safe to
 * share between concurrent calls.
 */
export interface Envelope {
  /**
   * @param plaintext At most 64 MiB; a text is sealed as UTF-8. Bytes stay as they are until the promise settles.
   * @throws RequestError, and what the client throws.
   */
  encrypt(plaintext: Uint8Array | string, binding?: EnvelopeBinding, options?: Waiting): Promise<Uint8Array>;
  /** The same as text: base64, which begins with `bkme`. */
  encryptToText(plaintext: Uint8Array | string, binding?: EnvelopeBinding, options?: Waiting): Promise<string>;
  /**
   * @param message Bytes, or the text that `encryptToText` made.
   * @throws EnvelopeError when it does not open; what the client throws, the server's `decryption_failed` among it.
   */
  decrypt(message: Uint8Array | string, binding?: EnvelopeBinding, options?: Waiting): Promise<Uint8Array>;
  /** Forgets all data keys. */
  close(): void;
}

const MOST_ADDITIONAL = 1024 * 1024;

/** Makes an envelope. @throws RangeError for a cache policy out of its limits. */
export function createEnvelope(client: EnvelopeClient, { keyName, cache }: EnvelopeOptions): Envelope {
  const kept = cache === false ? undefined : new DataKeyCache(cachePolicy(cache));

  async function generate(context: EncryptionContext): Promise<DataKey> {
    const answer = await client.keys.generateDataKey({ name: keyName, bytes: KEY_LENGTH, context });
    const wrapped = fromBase64(answer.ciphertext);
    if (wrapped === undefined || wrapped.length > MOST_WRAPPED || answer.plaintextB64.length !== KEY_LENGTH) {
      answer.plaintextB64.fill(0);
      throw new UnexpectedAnswerError("the server answered with no data key as messages need it", 200);
    }
    return { key: await taken(answer.plaintextB64 as Bytes), wrapped };
  }

  async function unwrap(wrapped: Bytes, context: EncryptionContext): Promise<DataKey> {
    const { plaintextB64 } = await client.keys.decrypt({ keyName, ciphertext: toBase64(wrapped), context });
    if (plaintextB64.length !== KEY_LENGTH) {
      plaintextB64.fill(0);
      throw decryptionFailed();
    }
    return { key: await taken(plaintextB64 as Bytes), wrapped };
  }

  async function forWriting(bytes: number, context: EncryptionContext, encoded: Bytes): Promise<DataKey> {
    if (kept === undefined) {
      return generate(context);
    }
    return kept.use(await findBy("write", keyName, encoded), bytes, async () => {
      const dataKey = await generate(context);
      return { dataKey, alsoBy: await findBy("read", keyName, encoded, dataKey.wrapped) };
    });
  }

  async function forReading(wrapped: Bytes, context: EncryptionContext, encoded: Bytes): Promise<DataKey> {
    if (kept === undefined) {
      return unwrap(wrapped, context);
    }
    const id = await findBy("read", keyName, encoded, wrapped);
    return kept.use(id, undefined, async () => ({ dataKey: await unwrap(wrapped, context) }));
  }

  const encrypt: Envelope["encrypt"] = async (plaintext, { context: given, additionalData } = {}, { signal } = {}) => {
    // A copy: who changes the object while a data key is on its way must not get one that is kept under another context.
    const context = { ...given };
    const bound = encodeBound(context, additionalData);
    const bytes = typeof plaintext === "string" ? encodeText(plaintext) : unshared(plaintext);
    if (bytes.length > MOST_PLAINTEXT) {
      throw new RequestError("a message has at most 64 MiB: encrypt a file");
    }
    const { key, wrapped } = await untilAborted(signal, () => forWriting(bytes.length, context, bound.context));
    return sealMessage(key, wrapped, bytes, bound);
  };

  return Object.freeze({
    encrypt,
    encryptToText: async (...given: Parameters<Envelope["encrypt"]>) => toBase64(await encrypt(...given)),
    async decrypt(message, { context: given, additionalData } = {}, { signal } = {}) {
      const context = { ...given };
      const bound = encodeBound(context, additionalData);
      const bytes = typeof message === "string" ? fromBase64(message) : unshared(message);
      if (bytes === undefined) {
        throw malformed();
      }
      const parts = readMessage(bytes);
      // A copy as well, for the same reason; and what is kept must not keep the whole message.
      const wrapped = concat(parts.wrapped);
      const { key } = await untilAborted(signal, () => forReading(wrapped, context, bound.context));
      return openMessage(key, parts, bound);
    },
    close: () => kept?.close(),
  } satisfies Envelope);
}

function encodeBound(context: EncryptionContext, additionalData: Uint8Array | undefined): Bound {
  if (additionalData !== undefined && additionalData.length > MOST_ADDITIONAL) {
    throw new RequestError("additional data has at most 1 MiB");
  }
  return { context: encodeContext(context), additionalData: encodeAdditionalData(additionalData) };
}

function encodeText(text: string): Bytes {
  if (!text.isWellFormed()) {
    throw new RequestError("the text is not well-formed Unicode: it would come back as another one");
  }
  return utf8(text);
}

/** Takes a data key over, and zeroes its bytes. */
async function taken(bytes: Bytes): Promise<CryptoKey> {
  try {
    return await importSecret(bytes);
  } finally {
    bytes.fill(0);
  }
}

/** What a kept data key is found by. Hashed, so that each takes the same room whatever the context. */
async function findBy(use: "read" | "write", keyName: string, context: Bytes, wrapped?: Bytes): Promise<string> {
  const parts = [utf8(use), utf8(keyName), context, wrapped ?? new Uint8Array(0)];
  return toHex(await sha256(concat(...parts.flatMap((part) => [bigEndian(part.length, 4), part]))));
}

/** Rejects with the signal's reason when that comes first. */
async function untilAborted<T>(signal: AbortSignal | undefined, begin: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal?.reason as Error);
  signal?.addEventListener("abort", abort);
  try {
    return await Promise.race([begin(), aborted]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
