import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { endDigestThread } from "./digest-thread.ts";

/**
 * Collects what nobody holds any more, now: OpenSSL zeroes a key's memory when its `KeyObject` is collected, and without
 * this that would be whenever the heap is full next. Called after sealing, when no reference to a key of the vault is left. What
 * the thread for digests holds ends with it: at once, or two seconds after the last job of a batch that was under way.
 */
export function collectForgottenKeys(): void {
  endDigestThread();
  // Node gives the collector to those who ask V8 for it; a context made after that has it.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect !== "function") {
    throw new Error("the garbage collector cannot be called");
  }
  collect();
}
