import { wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { XaesKey } from "../crypto/xaes.ts";
import { type Seal, SealFailure } from "./seal.ts";

const FORMAT = 1;
const SLOT_KEY_LENGTH = 32;
const HEADER_LENGTH = 3;
const MAX_WRAPPED_KEY = 0xffff;

/** Whoever wraps and unwraps 32 bytes elsewhere: a token, a cloud's key service, another vault. */
export interface KeyWrapper {
  readonly kind: string;
  readonly keyName: string;
  /**
   * @param context To be bound to the wrapping too, where the service knows additional authenticated data.
   * @returns At most 4 KiB, with all that unwrapping needs.
   * @throws SealUnavailable
   */
  wrapKey(key: Uint8Array, context: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  /** The caller zeroes the result. @throws SealFailure, SealUnavailable */
  unwrapKey(wrapped: Uint8Array, context: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * The seal of a service that wraps elsewhere: it wraps a fresh slot key, under which the root key is sealed here by
 * XAES-256-GCM (C2SP). So the root key itself reaches no other machine, and is bound to its context also where the
 * service binds nothing.
 *
 * Layout: format (1 byte), length of the wrapped slot key (2, big-endian), wrapped slot key, sealed root key.
 */
export function envelopeSeal(wrapper: KeyWrapper): Seal {
  return {
    kind: wrapper.kind,
    keyName: wrapper.keyName,
    async wrap(rootKey, context, signal) {
      const slotKey = randomBytes(SLOT_KEY_LENGTH);
      try {
        const wrappedKey = await wrapper.wrapKey(slotKey, context, signal);
        if (wrappedKey.length === 0 || wrappedKey.length > MAX_WRAPPED_KEY) {
          throw new SealFailure(`the ${wrapper.kind} seal wrapped into ${wrappedKey.length} bytes`);
        }
        const header = Buffer.alloc(HEADER_LENGTH);
        header.writeUInt8(FORMAT, 0);
        header.writeUInt16BE(wrappedKey.length, 1);
        return Buffer.concat([header, wrappedKey, new XaesKey(secretKey(slotKey)).seal(rootKey, context)]);
      } finally {
        wipe(slotKey);
      }
    },
    async unwrap(wrapped, context, signal) {
      const { wrappedKey, sealed } = split(Buffer.from(wrapped), wrapper.kind);
      const slotKey = await wrapper.unwrapKey(wrappedKey, context, signal);
      try {
        if (slotKey.length !== SLOT_KEY_LENGTH) {
          throw new SealFailure(`the ${wrapper.kind} seal unwrapped something that is no slot key`);
        }
        return open(slotKey, sealed, context);
      } finally {
        wipe(slotKey);
      }
    },
    close: () => wrapper.close(),
  };
}

function split(wrapped: Buffer, kind: string): { readonly wrappedKey: Buffer; readonly sealed: Buffer } {
  const end = wrapped.length < HEADER_LENGTH ? 0 : HEADER_LENGTH + wrapped.readUInt16BE(1);
  if (wrapped[0] !== FORMAT || end <= HEADER_LENGTH || end > wrapped.length) {
    throw new SealFailure(`the ${kind} seal's slot is damaged, or of an unknown format`);
  }
  return { wrappedKey: wrapped.subarray(HEADER_LENGTH, end), sealed: wrapped.subarray(end) };
}

function open(slotKey: Buffer, sealed: Buffer, context: Uint8Array): Buffer {
  try {
    return new XaesKey(secretKey(slotKey)).open(sealed, context);
  } catch (cause) {
    throw new SealFailure("the slot was changed, or belongs to another vault", { cause });
  }
}
