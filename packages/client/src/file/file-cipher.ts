import type { DecryptRequest } from "@bunkms/contract";
import type { BunkmsClient } from "../client.ts";
import { type Bytes, fromBase64, toHex } from "../crypto/bytes.ts";
import type { MakeStreamCipher } from "../crypto/stream-cipher.ts";
import { makeWebStreamCipher } from "../crypto/web-stream-cipher.ts";
import { KEY_LENGTH } from "../crypto/webcrypto.ts";
import { BunkmsApiError } from "../errors.ts";
import { loadRuntime } from "../runtime-loader.ts";
import { type ByteSource, chunksOf } from "./byte-source.ts";
import { FileCipherError } from "./file-error.ts";
import type { BindingKind, FileHeader } from "./header.ts";
import { openFile } from "./open-file.ts";
import { type NewFile, sealFile } from "./seal-file.ts";

/** What a file is bound to, as for Encrypt: bytes or an encryption context, or nothing. Needed again for decrypting. */
export type FileBinding = Partial<Pick<DecryptRequest, "binding" | "context">>;

/** How a file is encrypted. */
export interface EncryptFileOptions extends FileBinding {
  /** The key that wraps the file's data key. */
  readonly keyName: string;
}

/** How a file is decrypted. */
export interface DecryptFileOptions extends FileBinding {
  /** The key to unwrap with, in place of the one that the file names: the reader then knows whose file it is. */
  readonly keyName?: string;
}

/** Of the client, what the two functions here call. */
export type FileClient = Pick<BunkmsClient, "keys">;

/**
 * Encrypts a stream under a data key of its own, in constant memory (spec/file.md). In Node it fits `stream.pipeline`.
 *
 * The data key is asked for when the first piece is, and zeroed before that piece comes. A source may use a chunk's buffer
 * again once the second chunk after it is asked for, if every chunk but the last has 128 KiB or more.
 *
 * @returns the encrypted file in pieces.
 * @throws BunkmsApiError, ConnectionError and the others of the client; RangeError for more than 256 TiB.
 */
export async function* encryptFile(
  client: FileClient,
  source: ByteSource,
  { keyName, ...binding }: EncryptFileOptions,
): AsyncGenerator<Uint8Array> {
  const makeDataKey = async (): Promise<NewFile> => {
    const answer = await client.keys.generateDataKey({ name: keyName, bytes: KEY_LENGTH, ...binding });
    const { plaintextB64, ciphertext: wrappedDataKey } = answer;
    return { dataKey: plaintextB64 as Bytes, wrappedDataKey, keyName, binding: bindingKind(binding) };
  };
  yield* sealFile(makeDataKey, chunksOf(source), await fastestCipher());
}

/**
 * Decrypts what `encryptFile` made, in constant memory. Every piece is authentic when it comes, but only the end without
 * an error says that the file is whole: until then, do not act on what came. Of the source's buffers the same holds as for
 * `encryptFile`.
 *
 * @returns the plaintext in pieces.
 * @throws FileCipherError when the file does not open; BunkmsApiError, ConnectionError and the others of the client.
 */
export async function* decryptFile(
  client: FileClient,
  source: ByteSource,
  options: DecryptFileOptions = {},
): AsyncGenerator<Uint8Array> {
  yield* openFile((header) => unwrap(client, header, options), chunksOf(source), await fastestCipher());
}

async function fastestCipher(): Promise<MakeStreamCipher> {
  return (await (await loadRuntime()).loadStreamCipher()) ?? makeWebStreamCipher;
}

async function unwrap(
  client: FileClient,
  header: FileHeader,
  { keyName = header.keyName, ...binding }: DecryptFileOptions,
): Promise<Bytes> {
  const given = bindingKind(binding);
  if (given !== header.binding) {
    const text = `the file is bound to ${BINDING_TEXTS[header.binding]}, and ${BINDING_TEXTS[given]} was given`;
    throw new FileCipherError("wrong_additional_data", text);
  }
  try {
    const answer = await client.keys.decrypt({ keyName, ciphertext: header.wrappedDataKey, ...binding });
    return answer.plaintextB64 as Bytes;
  } catch (error) {
    throw error instanceof BunkmsApiError && error.code === "decryption_failed"
      ? await reasonOf(error, client, keyName, header)
      : error;
  }
}

const BINDING_TEXTS: Readonly<Record<BindingKind, string>> = {
  none: "no additional data",
  raw: "additional data (bytes)",
  context: "an encryption context",
};

function bindingKind({ binding, context }: FileBinding): BindingKind {
  if (binding?.value !== undefined && binding.value.length > 0) {
    return "raw";
  }
  return context !== undefined && Object.keys(context).length > 0 ? "context" : "none";
}

/**
 * The server answers alike whatever was wrong with a ciphertext. Who may see the key's id can tell more: the wrapped data
 * key names its key, and the header's digest says that it came whole.
 * @returns `error` itself when the id is not to be had.
 */
async function reasonOf(
  error: BunkmsApiError,
  client: FileClient,
  keyName: string,
  header: FileHeader,
): Promise<Error> {
  const wrapping = wrappingKeyId(header.wrappedDataKey);
  const key = await client.keys.getKey({ name: keyName }).catch(() => undefined);
  if (wrapping === undefined || key === undefined) {
    return error;
  }
  if (key.id !== wrapping) {
    const text = `the file was encrypted with the key of id ${wrapping}, and ${keyName} has id ${key.id}`;
    return new FileCipherError("wrong_key", text, { cause: error });
  }
  return header.binding === "none"
    ? new FileCipherError("changed", "the file was changed: its wrapped data key does not open", { cause: error })
    : new FileCipherError("wrong_additional_data", "the file is bound to other additional data", { cause: error });
}

/** Magic, suite, key id: with these every ciphertext begins (spec/ciphertext.md, "Header"). */
const CIPHERTEXT_HEADER = /^6e49ac[0-9a-f]{4}([0-9a-f]{32})/;

function wrappingKeyId(wrappedDataKey: string): string | undefined {
  return CIPHERTEXT_HEADER.exec(toHex(fromBase64(wrappedDataKey) ?? new Uint8Array(0)))?.[1];
}
