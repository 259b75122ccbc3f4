import { setTimeout as sleep } from "node:timers/promises";
import { wipe } from "../crypto/kdf.ts";
import { AnswerTooLarge } from "../remote/bounded-answer.ts";
import { findCause, networkCode } from "../remote/network-code.ts";
import { SealFailure, SealUnavailable } from "./seal.ts";

/** For one call to a service that wraps: its second attempt and the fetching of credentials included. */
export const CALL_TIMEOUT_MS = 10_000;
const PAUSE_MS = 250;

/** What a failed call means. */
export interface Verdict {
  readonly error: SealFailure | SealUnavailable;
  /** Whether the same call is worth a second attempt at once. */
  readonly isTransient: boolean;
}

/** What a service is asked to do. */
export type Operation = "wrap" | "unwrap";

/** The kinds of failure that all services have, each with its text. None of them quotes what the service or its library said. */
export interface Verdicts {
  /** The service looked at what it was to wrap or unwrap, and will not. */
  refused(): Verdict;
  /** @param state Ends the sentence "the key NAME …". */
  keyState(state: string): Verdict;
  credentials(): Verdict;
  throttled(): Verdict;
  /** The service's own failure. @param status Its HTTP status or its like, when known. */
  failing(status?: number): Verdict;
  redirected(): Verdict;
  /** Something that is no answer of this service. */
  unexpected(status?: number): Verdict;
  /** A checksum does not fit, or the answer is about something else. */
  damaged(): Verdict;
  /** The slot names a key that is not the configured one, so nobody is asked. */
  otherKey(): Verdict;
  tooLarge(): Verdict;
  /** @param error What a call threw that got no answer. */
  noAnswer(error: unknown): Verdict;
}

/** Who is asked, in the words that errors use. */
export interface RemoteService {
  /** For example `AWS KMS`. */
  readonly name: string;
  readonly keyName: string;
  /** What to look at when it refuses the credentials. */
  readonly credentialsHint: string;
  readonly timeoutMs: number;
}

/** The texts of one service's failures. */
export function verdictsOf(service: RemoteService, operation: Operation): Verdicts {
  const { name, keyName } = service;
  const unavailable = (text: string, isTransient = false): Verdict => ({
    error: new SealUnavailable(text),
    isTransient,
  });
  const failure = (text: string): Verdict => ({ error: new SealFailure(text), isTransient: false });
  return {
    refused: () =>
      operation === "wrap"
        ? unavailable(`${name} does not wrap with the key ${keyName}: look at the key's type and purpose`)
        : failure(
            `${name} cannot open the slot with the key ${keyName}: the slot was changed, or wrapped by another key or for another vault`,
          ),
    keyState: (state) => unavailable(`${name}: the key ${keyName} ${state}`),
    credentials: () => unavailable(`${name} refuses the credentials: ${service.credentialsHint}`),
    throttled: () => unavailable(`${name} takes no more calls at the moment: look at its quotas and limits`, true),
    failing: (status) => unavailable(`${name} fails${inBrackets(status)}: look at its own state, and try again`, true),
    redirected: () =>
      unavailable(`${name} answers with a redirect, which is not followed: set the address of the service itself`),
    unexpected: (status) =>
      unavailable(
        `${name} gives an answer that is none of its own${inBrackets(status)}: look at the address and what is in between`,
      ),
    damaged: () => unavailable(`${name}: what was sent or answered was damaged on its way`, true),
    otherKey: () => failure(`the slot was wrapped by another key of ${name} than the configured ${keyName}`),
    tooLarge: () =>
      unavailable(`${name} gives an answer that is too large: look at the address and what is in between`),
    noAnswer: (error) =>
      unavailable(
        `${name} cannot be reached${inBrackets(networkCode(error))}: look at the address, the network, the proxy and the certificates`,
        true,
      ),
  };
}

/**
 * Calls a service within its time limit, and once more when the first failure may pass. Whatever the call does with its
 * signal, the answer comes in time: what arrives later is zeroed.
 * @param judge Says what an error of the call means.
 * @throws SealFailure, SealUnavailable; the signal's reason when it is aborted.
 */
export async function callRemote(
  service: RemoteService,
  operation: Operation,
  signal: AbortSignal,
  call: (signal: AbortSignal, verdicts: Verdicts) => Promise<Buffer>,
  judge: (error: unknown, verdicts: Verdicts) => Verdict,
): Promise<Buffer> {
  const verdicts = verdictsOf(service, operation);
  const deadline = AbortSignal.timeout(service.timeoutMs);
  const either = AbortSignal.any([signal, deadline]);
  const attempt = async (): Promise<Buffer | Verdict> => {
    try {
      return await untilAborted((given) => call(given, verdicts), either);
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.aborted) {
        throw new SealUnavailable(
          `${service.name} did not answer within ${service.timeoutMs / 1000} seconds: look at the address, the network and the service`,
        );
      }
      if (error instanceof SealFailure || error instanceof SealUnavailable) return { error, isTransient: false };
      if (findCause(error, (cause) => cause instanceof AnswerTooLarge)) return verdicts.tooLarge();
      return judge(error, verdicts);
    }
  };
  const first = await attempt();
  if (Buffer.isBuffer(first)) return first;
  if (!first.isTransient) throw first.error;
  await sleep(PAUSE_MS, undefined, { signal: either }).catch(() => undefined);
  const second = await attempt();
  if (Buffer.isBuffer(second)) return second;
  throw second.error;
}

function untilAborted(call: (signal: AbortSignal) => Promise<Buffer>, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    call(signal)
      .then((answer) => {
        if (signal.aborted) wipe(answer);
        resolve(answer);
      }, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function inBrackets(detail: string | number | undefined): string {
  return detail === undefined ? "" : ` (${detail})`;
}
