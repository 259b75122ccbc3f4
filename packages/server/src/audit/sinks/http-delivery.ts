import { AnswerTooLarge } from "../../remote/bounded-answer.ts";
import type { HttpAnswer, HttpService } from "../../remote/http-service.ts";
import { findCause, networkCode } from "../../remote/network-code.ts";
import { DeliveryFailed } from "./sink.ts";

/** For one attempt. */
export const HTTP_TIMEOUT_MS = 15_000;
/** Nobody is waited for longer because he asks for it. */
const MAX_RETRY_AFTER_MS = 600_000;
const TOO_LARGE = 413;

/** One call of a receiver of entries. */
export interface Delivery {
  /** In the words that errors use. */
  readonly receiver: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly timeoutMs: number;
}

/**
 * Posts entries to a receiver.
 * @param passes Whether a failure with this status may pass by itself.
 * @returns An answer that says yes.
 * @throws DeliveryFailed; the signal's reason when it is aborted.
 */
export async function post(
  service: HttpService,
  { receiver, path, headers, body, timeoutMs }: Delivery,
  passes: (status: number) => boolean,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const deadline = AbortSignal.timeout(timeoutMs);
  let answer: HttpAnswer;
  try {
    answer = await service.send("POST", path, headers, body, AbortSignal.any([signal, deadline]));
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) {
      throw new DeliveryFailed(`${receiver} did not answer within ${timeoutMs / 1000} s`);
    }
    const isTooLarge = findCause(error, (cause) => cause instanceof AnswerTooLarge) !== undefined;
    throw new DeliveryFailed(
      isTooLarge
        ? `${receiver} gives an answer that is too large`
        : `${receiver} cannot be reached (${networkCode(error) ?? "unknown error"})`,
    );
  }
  if (answer.status >= 200 && answer.status < 300) {
    return answer;
  }
  throw refusal(receiver, answer, passes(answer.status));
}

function refusal(receiver: string, { status, headers }: HttpAnswer, passes: boolean): DeliveryFailed {
  if (status === TOO_LARGE) {
    return new DeliveryFailed(`${receiver} takes no batch of this size (413)`, {
      isTooLarge: true,
      needsMending: true,
    });
  }
  if (status >= 300 && status < 400) {
    const text = `${receiver} answers with a redirect (${status}), which is not followed`;
    return new DeliveryFailed(text, { needsMending: true });
  }
  const pauseMs = retryAfterMs(headers["retry-after"]);
  return new DeliveryFailed(`${receiver} does not take the entries (${status})`, {
    ...(pauseMs === undefined ? {} : { pauseMs }),
    needsMending: !passes,
  });
}

/** Retry-After (RFC 9110 section 10.2.3), bounded. */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const ms = /^[0-9]{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}
