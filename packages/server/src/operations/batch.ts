import { setImmediate } from "node:timers/promises";
import { BunkmsError } from "@bunkms/contract";
import { sha256 } from "../crypto/hash.ts";

/** Why an item failed, as the contract's `ItemError`. */
interface Failed {
  readonly error: { readonly code: string; readonly error: string };
}

/** What came of a batch's items, in their order. */
export type ItemResults<R> = readonly (R | Failed)[];

/** Items under way at once: as many as the thread pool has threads by default. */
const AT_ONCE = 4;
/** Others get their turn after so long. */
const TURN_MS = 2;

/**
 * Does the same for each item. One that fails with an error for the caller does not keep the others from being done.
 * @throws whatever is no error for the caller.
 */
export async function runItems<I, R extends object>(
  items: readonly I[],
  work: (item: I) => Promise<R>,
): Promise<ItemResults<R>> {
  const results: (R | Failed)[] = new Array(items.length);
  let next = 0;
  let turnEnds = performance.now() + TURN_MS;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      results[i] = await attempt(items[i] as I, work);
      if (performance.now() > turnEnds) {
        await setImmediate();
        turnEnds = performance.now() + TURN_MS;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
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

async function attempt<I, R>(item: I, work: (item: I) => Promise<R>): Promise<R | Failed> {
  try {
    return await work(item);
  } catch (error) {
    if (error instanceof BunkmsError) {
      return { error: { code: error.code, error: error.message } };
    }
    throw error;
  }
}

function digestOf(parts: readonly (string | Uint8Array)[]): string {
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(Buffer.byteLength(part));
    pieces.push(length, typeof part === "string" ? Buffer.from(part) : part);
  }
  return sha256(...pieces).toString("hex");
}
