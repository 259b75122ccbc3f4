import { sha256 } from "../../crypto/hash.ts";
import { equal, wipe } from "../../crypto/kdf.ts";
import { randomBytes } from "../../crypto/random.ts";
import { SealFailure, SealUnavailable } from "../seal.ts";
import {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_SENSITIVE,
  CKA_TOKEN,
  CKF_LOGIN_REQUIRED,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  PIN_REFUSALS,
} from "./codes.ts";
import { Cryptoki, CryptokiError, type Session, type TokenInfo } from "./cryptoki.ts";
import { MECHANISMS, type WrapMechanism } from "./mechanisms.ts";
import { word } from "./memory.ts";
import { type Order, PinRefused } from "./order.ts";
import { describeKey, headerOf, type KeyDescription, parseWrappedKey } from "./wrapped-key.ts";

const MAX_TEXT = 255;
const SLOT_KEY_LENGTH = 32;
const SERIAL = "serial:";

/** The token's key: the object that unwraps, the one that wraps, and what the token calls them. */
interface Keys extends KeyDescription {
  readonly key: bigint;
  readonly wrapping: bigint;
}

/** @returns Header and what the mechanism made. @throws SealUnavailable */
export function wrapOnToken(order: Order, pin: Buffer, slotKey: Buffer, context: Buffer): Buffer {
  const mechanism = MECHANISMS.find(({ name }) => name === order.mechanism);
  if (mechanism === undefined) throw new SealUnavailable("the mechanism is unknown");
  return onToken(order, pin, (session) => {
    const keys = findKeys(session, order, mechanism);
    const header = headerOf(mechanism, keys);
    const data = wrapAndCheck(session, mechanism, keys, slotKey, sha256(header, context));
    return Buffer.concat([header, data]);
  });
}

/** @returns The slot key. @throws SealFailure, SealUnavailable */
export function unwrapOnToken(order: Order, pin: Buffer, wrapped: Buffer, context: Buffer): Buffer {
  const { mechanism, header, data, ...recorded } = parseWrappedKey(wrapped);
  return onToken(order, pin, (session) => {
    const keys = findKeys(session, order, mechanism);
    if (!keys.label.equals(recorded.label) || !keys.id.equals(recorded.id)) {
      throw new SealFailure(`the slot was wrapped by the key ${describeKey(recorded)}, not by ${describeKey(keys)}`);
    }
    try {
      return mechanism.unwrap(session, keys.key, data, sha256(header, context));
    } catch (cause) {
      // Tokens say all sorts of things of changed bytes, CKR_GENERAL_ERROR among them. Whether the bytes are wrong or the
      // token is in trouble shows in whether it still does its work.
      const probe = randomBytes(SLOT_KEY_LENGTH);
      wrapAndCheck(session, mechanism, keys, probe, probe);
      throw new SealFailure(
        `the key ${describeKey(keys)} does not open the slot: it was changed, or is another key's`,
        {
          cause,
        },
      );
    }
  });
}

/** A key may wrap what it cannot unwrap (CKA_DECRYPT missing, a public key that belongs to another): never lose a root key to that. */
function wrapAndCheck(
  session: Session,
  mechanism: WrapMechanism,
  keys: Keys,
  slotKey: Uint8Array,
  aad: Uint8Array,
): Buffer {
  try {
    const data = mechanism.wrap(session, keys.wrapping, slotKey, aad);
    const again = mechanism.unwrap(session, keys.key, data, aad);
    const isSame = equal(again, slotKey);
    wipe(again);
    if (isSame) return data;
  } catch (cause) {
    if (!(cause instanceof CryptokiError)) throw cause;
    const text = `the token does not do ${mechanism.name} with the key ${describeKey(keys)}: ${cause.message}`;
    throw new SealUnavailable(text, { cause });
  }
  throw new SealUnavailable(`the key ${describeKey(keys)} does not unwrap what it has wrapped`);
}

function onToken(order: Order, pin: Buffer, work: (session: Session) => Buffer): Buffer {
  const cryptoki = load(order.module);
  let isInitialised = false;
  try {
    cryptoki.initialize();
    isInitialised = true;
    const { slot, info } = findToken(cryptoki, order);
    const session = cryptoki.openSession(slot);
    if ((info.flags & CKF_LOGIN_REQUIRED) !== 0n) logIn(session, info, pin);
    return work(session);
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error;
    throw new SealUnavailable(`the token ${JSON.stringify(order.token)} cannot be used: ${error.message}`, {
      cause: error,
    });
  } finally {
    // Ends the login, the sessions and their objects (section 5.4, C_Finalize).
    if (isInitialised) cryptoki.finalize();
  }
}

function load(path: string): Cryptoki {
  try {
    return new Cryptoki(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unknown";
    throw new SealUnavailable(`${path} is not there, or is no PKCS #11 module: ${reason}`, { cause });
  }
}

function findToken(cryptoki: Cryptoki, { token, module }: Order): { readonly slot: bigint; readonly info: TokenInfo } {
  const slots = cryptoki.slots().map((slot) => ({ slot, info: cryptoki.tokenInfo(slot) }));
  const all = slots.filter(({ info }) => (info.flags & CKF_TOKEN_INITIALIZED) !== 0n);
  const found = all.filter(({ info }) =>
    token.startsWith(SERIAL) ? info.serial === token.slice(SERIAL.length) : info.label === token,
  );
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const labels = all.map(({ info }) => JSON.stringify(info.label)).join(", ");
    const count = only === undefined ? "no token" : "more than one token";
    throw new SealUnavailable(`${count} ${JSON.stringify(token)} in ${module}; it has: ${labels || "none"}`);
  }
  return only;
}

function logIn(session: Session, info: TokenInfo, pin: Buffer): void {
  checkPinFlags(info);
  try {
    session.login(pin);
  } catch (cause) {
    if (!(cause instanceof CryptokiError) || !PIN_REFUSALS.has(cause.code)) throw cause;
    throw new PinRefused(`the token ${JSON.stringify(info.label)} refuses the PIN: ${cause.message}`, { cause });
  }
}

/**
 * A server that is started again and again with a wrong PIN would lock the token: the last try is left to people, who
 * bring the count back by logging in with another program.
 *
 * @throws PinRefused
 */
export function checkPinFlags({ flags, label }: TokenInfo): void {
  const isLocked = (flags & CKF_USER_PIN_LOCKED) !== 0n;
  if (!isLocked && (flags & CKF_USER_PIN_FINAL_TRY) === 0n) return;
  const why = isLocked ? "its PIN is locked" : "one more wrong PIN would lock it; log in once by other means";
  throw new PinRefused(`the token ${JSON.stringify(label)} was not given the PIN: ${why}`);
}

function findKeys(session: Session, order: Order, mechanism: WrapMechanism): Keys {
  const key = findKey(session, order, mechanism, mechanism.keyClass);
  const description = {
    label: session.attribute(key, CKA_LABEL, MAX_TEXT),
    id: session.attribute(key, CKA_ID, MAX_TEXT),
  };
  if (!flag(session, key, CKA_SENSITIVE) || flag(session, key, CKA_EXTRACTABLE)) {
    throw new SealUnavailable(
      `the key ${describeKey(description)} can leave the token; a seal needs one that is sensitive and not extractable`,
    );
  }
  const isPair = mechanism.wrapClass !== mechanism.keyClass;
  return { ...description, key, wrapping: isPair ? findKey(session, order, mechanism, mechanism.wrapClass) : key };
}

function findKey(session: Session, order: Order, { name, keyType }: WrapMechanism, keyClass: bigint): bigint {
  const found = session.find([
    [CKA_CLASS, word(keyClass)],
    [CKA_KEY_TYPE, word(keyType)],
    [CKA_TOKEN, Buffer.from([1])],
    [CKA_LABEL, Buffer.from(order.keyLabel)],
    ...(order.keyId === "" ? [] : [[CKA_ID, Buffer.from(order.keyId, "hex")] as const]),
  ]);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const id = order.keyId === "" ? "" : ` and the id ${order.keyId}`;
    const what = `${KINDS.get(keyClass)} for ${name} with the label ${JSON.stringify(order.keyLabel)}${id}`;
    const text = only === undefined ? `has no ${what}` : `has more than one ${what}; name its id`;
    throw new SealUnavailable(`the token ${JSON.stringify(order.token)} ${text}`);
  }
  return only;
}

const KINDS: ReadonlyMap<bigint, string> = new Map([
  [2n, "public key"],
  [3n, "private key"],
  [4n, "secret key"],
]);

function flag(session: Session, key: bigint, type: bigint): boolean {
  return session.attribute(key, type, 1)[0] === 1;
}
