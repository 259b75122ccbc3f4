import { BunkmsError } from "@bunkms/contract";
import { sha256 } from "../crypto/hash.ts";
import { wipe } from "../crypto/kdf.ts";
import { type Ending, inBulk } from "../crypto/pool.ts";
import { refuseAborted, TimeSlices } from "./time-slice.ts";

/** Why an item failed, as the contract's `ItemError`. */
interface Failed {
  readonly error: { readonly code: string; readonly error: string };
}

/** What came of a batch's items, in their order. */
export type ItemResults<R> = readonly (R | Failed)[];

/** Before each part of a batch's digest: its length. */
const LENGTH_BYTES = 4;

/** Items of a batch under way at once: as many as there are places for all batches together (pool.ts). */
const AT_ONCE = 3;

/** Thrown by an item that makes the whole batch one to refuse. */
class BatchRefused extends Error {
  readonly refusal: BunkmsError;

  constructor(refusal: BunkmsError) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Refuses the batch to which the item belongs that is being worked on. */
export function refuseBatch(refusal: BunkmsError): never {
  throw new BatchRefused(refusal);
}

/**
 * Does the same for each item. One that fails with an error for the caller does not keep the others from being done.
 * Whatever else ends the batch, nothing of it goes on afterwards, and the bytes of its results are zeroed.
 * @param ending Of the call: once it is aborted, no further item begins.
 * @param work May answer at once: what is there already is not waited for, which for a thousand quick items would cost as
 * much as the items.
 * @throws BunkmsError the ending's reason, what `refuseBatch` was told; whatever is no error for the caller.
 */
export async function runItems<I, R extends object>(
  ending: Ending,
  items: readonly I[],
  work: (item: I, i: number) => R | Promise<R>,
): Promise<ItemResults<R>> {
  const results: (R | Failed)[] = new Array(items.length);
  const errors: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    const slices = new TimeSlices(ending);
    while (next < items.length && errors.length === 0) {
      try {
        if (!slices.mayGoOn()) {
          await slices.next();
        }
        const i = next++;
        if (i < items.length && errors.length === 0) {
          const attempted = attempt(() => work(items[i] as I, i));
          if (attempted instanceof Promise) {
            results[i] = await attempted;
            refuseAborted(ending);
          } else {
            results[i] = attempted;
          }
        }
      } catch (error) {
        errors.push(error);
      }
    }
  };
  const workers = Math.min(AT_ONCE, items.length);
  await inBulk(ending, () => Promise.all(Array.from({ length: workers }, worker)));
  if (errors.length > 0) {
    wipeResults(results);
    throw errors[0] instanceof BatchRefused ? errors[0].refusal : errors[0];
  }
  return results;
}

/**
 * The members that every answer to a batch has.
 * @param identifying What tells an item's result, or the item itself, from all others: its ciphertext for example;
 * undefined where it failed.
 */
export function batchAnswer<R extends object>(
  results: ItemResults<R>,
  identifying: (i: number) => string | Uint8Array | undefined,
) {
  return {
    results: [...results],
    count: results.length,
    failed: results.filter((result) => isFailed(result)).length,
    digest: digestOf(results.map((_, i) => identifying(i) ?? "")),
  };
}

/** A member of an item's result; undefined where it failed. */
export function memberOf<R extends object, K extends keyof R>(
  result: R | Failed | undefined,
  name: K,
): R[K] | undefined {
  return result === undefined || isFailed(result) ? undefined : result[name];
}

function isFailed(result: object): result is Failed {
  return "error" in result;
}

function attempt<R>(work: () => R | Promise<R>): R | Failed | Promise<R | Failed> {
  try {
    const result = work();
    return result instanceof Promise ? result.catch(asFailed) : result;
  } catch (error) {
    return asFailed(error);
  }
}

/** @throws what is no error for the caller. */
function asFailed(error: unknown): Failed {
  if (error instanceof BunkmsError) {
    return { error: { code: error.code, error: error.message } };
  }
  throw error;
}

/** Some are secret, and nobody will ever see the others. */
function wipeResults(results: readonly (object | undefined)[]): void {
  for (const result of results) {
    wipe(...Object.values(result ?? {}).filter((value) => value instanceof Uint8Array));
  }
}

function digestOf(parts: readonly (string | Uint8Array)[]): string {
  const lengths = parts.map((part) => Buffer.byteLength(part));
  const whole = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  for (const [i, part] of parts.entries()) {
    const length = lengths[i] as number;
    at = whole.writeUInt32BE(length, at);
    if (typeof part === "string") {
      whole.write(part, at);
    } else {
      whole.set(part, at);
    }
    at += length;
  }
  return sha256(whole).toString("hex");
}
