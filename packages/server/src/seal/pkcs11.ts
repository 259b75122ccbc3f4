import { isAbsolute } from "node:path";
import { wipe } from "../crypto/kdf.ts";
import { envelopeSeal, type KeyWrapper } from "./envelope.ts";
import { type Order, PinRefused, PKCS11_MECHANISMS, type Pkcs11Mechanism } from "./pkcs11/order.ts";
import { callToken } from "./pkcs11/token-call.ts";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 600_000;
const MAX_PIN_LENGTH = 255;

/** Which key on which token, and how to get at it. */
export interface Pkcs11Options {
  /** The absolute path of the vendor's PKCS #11 module, a shared library. */
  readonly module: string;
  /** The token's label, or `serial:` and its serial number. */
  readonly token: string;
  /** The key's label (CKA_LABEL), at most 128 bytes of UTF-8. An RSA key pair has it on both halves. */
  readonly keyLabel: string;
  /** The key's CKA_ID in hexadecimal digits, at most 32 bytes, where the label alone does not tell. */
  readonly keyId?: string;
  /** By which new slots are wrapped; `aes-gcm` unless said otherwise. A slot says by which it was. */
  readonly mechanism?: Pkcs11Mechanism;
  /**
   * The user's PIN, without a line end, at most 255 bytes. Called for each wrap and unwrap; the Buffer is taken over and
   * zeroed. What it throws ends up as the cause of a SealUnavailable.
   */
  readonly readPin: () => Buffer;
  /** How long one call to the token may take, 100 to 600,000 ms; 10,000 unless said otherwise. */
  readonly timeoutMs?: number;
}

/**
 * The seal whose wrapping key is in a PKCS #11 token (OASIS PKCS #11 v2.40), such as a hardware security module, and
 * never leaves it. The token wraps a slot key (envelope.ts), not the root key.
 *
 * Each wrap and unwrap opens a session, logs in, and ends both. The token is not asked before that, so that a server whose
 * token is away can still start by another slot. A PIN that the token has refused is not given to it again by this seal,
 * for tokens lock themselves after few tries.
 *
 * @throws SealFailure when the options are malformed. No text repeats a PIN.
 */
export async function pkcs11Seal(options: Pkcs11Options): Promise<Seal> {
  return envelopeSeal(pkcs11Wrapper(options));
}

/** @param program Other than the one that talks to the token, for tests. */
export function pkcs11Wrapper(options: Pkcs11Options, program?: string): KeyWrapper {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const order = checked(options, timeoutMs);
  const closing = new AbortController();
  let refused: PinRefused | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function call(
    action: Order["action"],
    bytes: Uint8Array,
    context: Uint8Array,
    signal: AbortSignal,
  ): Promise<Buffer> {
    signal.throwIfAborted();
    closing.signal.throwIfAborted();
    if (refused) throw new SealUnavailable(`${refused.message}; it is not tried again`, { cause: refused });
    const pin = readPin(options);
    try {
      const both = AbortSignal.any([signal, closing.signal]);
      const limits = { timeoutMs, signal: both, ...(program === undefined ? {} : { program }) };
      return await callToken({ ...order, action }, { pin, bytes, context }, limits);
    } catch (error) {
      if (error instanceof PinRefused) refused = error;
      throw error;
    } finally {
      wipe(pin);
    }
  }

  /** One after the other: of two at once, the second would give a wrong PIN before the first has learnt that it is. */
  async function inTurn(...args: Parameters<typeof call>): Promise<Buffer> {
    args[3].throwIfAborted();
    const mine = last.then(() => call(...args));
    last = mine.catch(() => undefined);
    return untilAborted(mine, args[3]);
  }

  return {
    kind: "pkcs11",
    keyName: `key ${order.keyLabel}${order.keyId && ` (id ${order.keyId})`} on token ${order.token}`,
    wrapKey: (key, context, signal) => inTurn("wrap", key, context, signal),
    unwrapKey: (wrapped, context, signal) => inTurn("unwrap", wrapped, context, signal),
    async close() {
      closing.abort(new SealUnavailable("the pkcs11 seal is closed"));
      await last;
    },
  };
}

/** Who waits for his turn does not wait longer than he wants to; the call itself looks at the signal when it begins. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function readPin({ readPin: read }: Pkcs11Options): Buffer {
  let pin: Buffer;
  try {
    pin = read();
  } catch (cause) {
    throw new SealUnavailable("the token's PIN cannot be read", { cause });
  }
  if (pin.length > 0 && pin.length <= MAX_PIN_LENGTH) return pin;
  wipe(pin);
  throw new SealUnavailable(`the token's PIN has to have 1 to ${MAX_PIN_LENGTH} bytes`);
}

function checked(options: Pkcs11Options, timeoutMs: number): Omit<Order, "action"> {
  const { module, token, keyLabel, keyId = "", mechanism = "aes-gcm" } = options;
  mustHold(isAbsolute(module) && !module.includes("\0"), "the module has to be an absolute path");
  mustHold(
    isText(token, 32) && token !== "serial:",
    "the token has to be a label of at most 32 bytes, or serial:NUMBER",
  );
  mustHold(isText(keyLabel, 128), "the key's label has to have 1 to 128 bytes");
  mustHold(/^([0-9a-f]{2}){0,32}$/i.test(keyId), "the key's id has to be at most 32 bytes in hexadecimal digits");
  mustHold(PKCS11_MECHANISMS.includes(mechanism), `the mechanism has to be one of ${PKCS11_MECHANISMS.join(", ")}`);
  const isTime = Number.isInteger(timeoutMs) && timeoutMs >= 100 && timeoutMs <= MAX_TIMEOUT_MS;
  mustHold(isTime, `the time for a call has to be 100 to ${MAX_TIMEOUT_MS} ms`);
  return { module, token, keyLabel, keyId: keyId.toLowerCase(), mechanism };
}

function isText(text: string, maxBytes: number): boolean {
  const length = Buffer.byteLength(text);
  return length > 0 && length <= maxBytes && !/\p{Cc}/u.test(text);
}

function mustHold(holds: boolean, text: string): void {
  if (!holds) throw new SealFailure(`pkcs11 seal: ${text}`);
}
