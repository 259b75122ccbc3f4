import { BunkmsError } from "@bunkms/contract";
import { ConfigError } from "../config/config-error.ts";
import { type Seal, SealFailure, SealUnavailable } from "../seal/seal.ts";
import type { SealSource } from "./configured-seals.ts";

/** A seal that does not answer within this time is taken for down. */
export const SEAL_TIMEOUT_MS = 30_000;

/** A configured seal, which wraps within its time. @throws BunkmsError `seal_not_configured`, `seal_unavailable` */
export async function openForCaller(seals: SealSource, kind: string): Promise<Seal> {
  if (!seals.has(kind)) {
    throw new BunkmsError("seal_not_configured");
  }
  return limited(await asRefusals(seals.open(kind)));
}

/** The seal, which wraps within a time or cannot be reached. @throws BunkmsError from its calls. */
export function limited(seal: Seal): Seal {
  const { wrap, ...others } = timed(seal);
  return { ...others, wrap: (...call) => asRefusals(wrap(...call)) };
}

/** Likewise. @throws SealUnavailable from its calls. */
export function timed(seal: Seal): Seal {
  const signal = AbortSignal.timeout(SEAL_TIMEOUT_MS);
  return {
    ...seal,
    wrap: (rootKey, context, caller) =>
      withinTime(seal.wrap(rootKey, context, AbortSignal.any([caller, signal])), signal, seal.kind),
  };
}

/** A seal that does not answer in time cannot be reached. @throws SealUnavailable */
export async function withinTime<T>(work: Promise<T>, signal: AbortSignal, kind: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw signal.aborted ? new SealUnavailable(`the ${kind} seal did not answer in time`, { cause: error }) : error;
  }
}

/** What a caller is told of a seal that fails. @throws BunkmsError `seal_unavailable` */
export async function asRefusals<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof SealUnavailable || cause instanceof SealFailure || cause instanceof ConfigError) {
      throw new BunkmsError("seal_unavailable", undefined, { cause });
    }
    throw cause;
  }
}
