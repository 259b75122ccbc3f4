import { Effect, type OperationSpec } from "@bunkms/contract";
import { RequestError } from "./errors.ts";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;
const RANDOM_BYTES = 16;

/** Whether the server keeps the operation's answer under an idempotency key: it changes something, for a caller it knows. */
export function takesIdempotencyKey({ effect, anonymous }: OperationSpec): boolean {
  return effect === Effect.MUTATE && !anonymous;
}

/**
 * Whether an operation may be sent again when nobody knows whether it was done. Not those of an unknown caller that do more
 * than read: a share that opens a vault, or begins one, is no call to be made twice.
 */
export function isRepeatable({ effect, anonymous }: OperationSpec): boolean {
  return effect === Effect.READ || !anonymous;
}

/**
 * The idempotency key of a call: the caller's own, or a random one; undefined for an operation that takes none.
 * @throws RequestError for one that is not 1 to 64 letters, digits, `_` and `-`.
 */
export function idempotencyKey(spec: OperationSpec, given: string | undefined): string | undefined {
  if (given !== undefined && !KEY.test(given)) {
    throw new RequestError("an idempotency key has 1 to 64 letters, digits, _ and -");
  }
  if (!takesIdempotencyKey(spec)) {
    return undefined;
  }
  return given ?? randomKey();
}

function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
