import type { DescMethod, JsonValue, Message } from "@bufbuild/protobuf";
import type { OperationSpec } from "@bunkms/contract";

/** What a health check answered. */
export interface ProbeResult {
  /** Whether the answer was a success. */
  readonly ok: boolean;
  /** Over gRPC, the status that REST would have. */
  readonly httpStatus: number;
  /** The answer's JSON, or null. */
  readonly body: JsonValue;
}

/** What may be asked without a token: whether the server is alive, and whether it can serve. */
export type Probe = "health" | "ready";

/** More bytes than any answer of the contract has. What is larger is not kept: it would only fill memory. */
export const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/** One try at a call. */
export interface Attempt {
  /** Aborted when the caller gives up, or the time is over. */
  readonly signal: AbortSignal;
  /** Milliseconds that are left; undefined when there is no end. */
  readonly remainingMs: number | undefined;
  readonly token: string | undefined;
  readonly requestId: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/**
 * One way to a server. Each function tries once, and throws BunkmsApiError, UnexpectedAnswerError or ConnectionError, or
 * anything when `signal` was aborted.
 */
export interface Wire {
  /** Scheme, host and port. */
  readonly origin: string;
  call(spec: OperationSpec, request: Message, attempt: Attempt): Promise<Message>;
  /** Answers a stream's requests, which are taken no faster than the server takes them. */
  stream(method: DescMethod, requests: AsyncIterable<Message>, attempt: Attempt): AsyncGenerator<Message>;
  probe(probe: Probe, attempt: Attempt): Promise<ProbeResult>;
  /** Lets go of connections. Calls under way fail. */
  close(): void;
}
