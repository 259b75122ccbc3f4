import { BunkmsError } from "@bunkms/contract";
import { isContext } from "../crypto/additional-data.ts";
import { decodeText, parseHeader } from "../crypto/ciphertext.ts";
import { deriveVersion } from "../crypto/derived-version.ts";
import type { DataCipher, Encrypted, OpenedVersion, Purpose } from "../crypto/key-type.ts";
import { isLegacy, legacyVersion, openLegacy } from "../crypto/legacy-ciphertext.ts";
import type { DrawNonce } from "../crypto/nonce-lot.ts";
import { whenDone } from "../crypto/when-done.ts";
import { versionOf } from "../vault/key-book.ts";
import type { KeyInfo } from "../vault/key-info.ts";
import { both } from "../vault/plan.ts";
import { type KeyUse, type Used, useKey } from "./key-use.ts";
import type { CallContext } from "./operation.ts";

/** How something is to be encrypted. */
interface EncryptionOrder {
  readonly keyName: string;
  readonly purposes: readonly Purpose[];
  /** 0: the latest. */
  readonly version: number;
  /** Empty: the type's first. */
  readonly algorithm: string;
  /** Messages to encrypt, 1 to 1000. */
  readonly count: number;
}

/** A key version at work. */
export interface Encryptor {
  readonly version: number;
  readonly algorithm: string;
  /**
   * @param plaintext Stays its caller's.
   * @param aad The canonical encoding of additional data.
   * @param drawNonce As the cipher's.
   * @throws BunkmsError as the cipher; `invalid_request`
   */
  encrypt(plaintext: Uint8Array, aad: Buffer, drawNonce?: DrawNonce): Encrypted | Promise<Encrypted>;
}

/**
 * Encrypts messages under one version of a key.
 * @throws BunkmsError as `useKey`, `unsupported_algorithm`, and what `work` throws.
 */
export async function encrypting<T>(
  context: CallContext,
  { keyName, purposes, version: asked, algorithm, count }: EncryptionOrder,
  work: (encryptor: Encryptor) => T | Promise<T>,
): Promise<Used<T>> {
  const used = await useKey(context, { name: keyName, purposes }, async (use) => {
    const version = await use.version(asked, "make", count);
    const cipher = chooseCipher(use.key, algorithm);
    const reservation =
      cipher.budget === undefined ? undefined : await context.vault.usage.spend(use.key, version, cipher.budget, count);
    try {
      const opened = await use.open(version);
      const result = await work({
        version,
        algorithm: cipher.name,
        encrypt: (plaintext, aad, drawNonce) =>
          cipher.encrypt(versionFor(use.key, opened, aad), plaintext, aad, drawNonce),
      });
      return { result, reservation };
    } catch (error) {
      reservation?.discard();
      throw error;
    }
  });
  const { result, reservation } = used.result;
  return { result, plan: reservation === undefined ? used.plan : both(used.plan, reservation) };
}

/** What was encrypted, and with which version. */
export interface Decryption {
  /** Its caller zeroes it. */
  readonly plaintext: Buffer;
  readonly version: number;
}

/**
 * Decrypts one ciphertext, in its text form.
 * @param binding Gives the canonical encoding of its additional data.
 * @throws BunkmsError `decryption_failed`, `wrong_key_state`, `invalid_request`
 */
export type Decrypt = (ciphertext: string, binding: () => Buffer) => Decryption | Promise<Decryption>;

/**
 * Decrypts what `encrypting` made.
 * @throws BunkmsError as `useKey`, and what `work` throws.
 */
export async function decrypting<T>(
  context: CallContext,
  keyName: string,
  work: (decrypt: Decrypt) => T | Promise<T>,
): Promise<Used<T>> {
  return useKey(context, { name: keyName, purposes: OPENING }, (use) => {
    const ciphers = ciphersOf(use.key);
    return work((text, binding) => {
      const aad = binding();
      const ciphertext = decodeText(text);
      if (use.key.legacyVersions > 0 && isLegacy(ciphertext)) {
        return decryptLegacy(use, ciphertext, aad);
      }
      const header = parseHeader(ciphertext);
      const version = versionOf(use.key, header);
      return whenDone(use.openToRead(version), (opened) => {
        const cipher = ciphers.find(({ suite }) => suite === header.suite);
        if (cipher === undefined) {
          throw new BunkmsError("decryption_failed");
        }
        return whenDone(cipher.decrypt(versionFor(use.key, opened, aad), ciphertext, aad), (plaintext) => {
          use.count(version);
          return { plaintext, version };
        });
      });
    });
  });
}

/** Only versions that the Go BunKMS made open its ciphertexts: it had no others. */
function decryptLegacy(use: KeyUse, ciphertext: Buffer, aad: Buffer): Decryption | Promise<Decryption> {
  const version = legacyVersion(ciphertext);
  if (version < 1 || version > use.key.legacyVersions) {
    throw new BunkmsError("decryption_failed");
  }
  return whenDone(use.openToRead(version), (opened) => {
    const plaintext = openLegacy(opened, ciphertext, aad);
    use.count(version);
    return { plaintext, version };
  });
}

/**
 * Decrypts what somebody encrypted by himself with the public key.
 * @throws BunkmsError as `useKey`; `unsupported_algorithm`, `decryption_failed`
 */
export async function decryptBare(
  context: CallContext,
  keyName: string,
  {
    data,
    version: asked,
    algorithm,
  }: { readonly data: Uint8Array; readonly version: number; readonly algorithm: string },
  binding: () => Buffer,
): Promise<Used<Decryption>> {
  return useKey(context, { name: keyName, purposes: OPENING }, async (use) => {
    const version = await use.version(asked, "open");
    const cipher = chooseCipher(use.key, algorithm);
    if (cipher.decryptBare === undefined) {
      throw new BunkmsError("invalid_request", "data_b64: this key's ciphertexts are given as ciphertext");
    }
    return { plaintext: await cipher.decryptBare(await use.open(version), data, binding()), version };
  });
}

/** What keys are for whose ciphertexts are opened. */
const OPENING: readonly Purpose[] = ["encrypt", "wrap"];

function chooseCipher(key: KeyInfo, algorithm: string): DataCipher {
  const ciphers = ciphersOf(key);
  const cipher = algorithm === "" ? ciphers[0] : ciphers.find(({ name }) => name === algorithm);
  if (cipher === undefined) {
    const known = ciphers.map(({ name }) => name).join(", ");
    throw new BunkmsError("unsupported_algorithm", `algorithm: the key supports ${known}`);
  }
  return cipher;
}

/** A type's ciphers that serve this key. */
function ciphersOf({ type, deterministic }: KeyInfo): readonly DataCipher[] {
  return (type.ciphers ?? []).filter((cipher) => cipher.deterministic === deterministic);
}

/** The version's key, or the one that is derived of it for the encryption context. */
function versionFor({ derived }: KeyInfo, opened: OpenedVersion, aad: Buffer): OpenedVersion {
  if (!derived) {
    return opened;
  }
  if (!isContext(aad)) {
    throw new BunkmsError("invalid_request", "the key derives a key for each encryption context: give a context");
  }
  return deriveVersion(opened, aad);
}
