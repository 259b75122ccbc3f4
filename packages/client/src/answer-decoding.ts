import { create, type DescMessage, fromJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import { ERRORS, isErrorCode, RawBodySchema } from "@bunkms/contract";
import { BunkmsApiError, UnexpectedAnswerError } from "./errors.ts";
import { canBeSaid, oneLine } from "./said-text.ts";

/** An HTTP answer whose body has been read. */
export interface Answer {
  /** Scheme, host and port that answered. */
  readonly origin: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** When to come again, if it says so. */
  readonly retryAfterMs: number | undefined;
}

/**
 * Reads an operation's answer. An operation that answers with `RawBody` gets the body as it is.
 * @throws BunkmsApiError for the server's error body.
 * @throws UnexpectedAnswerError for anything that the contract does not say.
 */
export function decodeAnswer(schema: DescMessage, answer: Answer): Message {
  if (answer.status < 200 || answer.status > 299) {
    throw decodeError(answer);
  }
  if (schema.typeName === RawBodySchema.typeName) {
    return create(RawBodySchema, { contentType: answer.contentType, data: answer.body });
  }
  try {
    // Fields of a newer server are passed over, so that servers can be updated first.
    return fromJson(schema, readJson(answer), { ignoreUnknownFields: true });
  } catch (error) {
    // The cause is left out on purpose: a parser's message quotes what it could not read, which may be a secret.
    void error;
    throw unexpected(answer);
  }
}

/** Reads an answer's body as JSON. @throws SyntaxError or TypeError when it is not JSON in UTF-8. */
export function readJson(answer: Answer): JsonValue {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(answer.body)) as JsonValue;
}

function decodeError(answer: Answer): Error {
  let body: JsonValue;
  try {
    body = readJson(answer);
  } catch {
    return unexpected(answer);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body) || typeof body["code"] !== "string") {
    return unexpected(answer);
  }
  const code = body["code"];
  const requestId = typeof body["request_id"] === "string" ? body["request_id"] : "";
  if (!canBeSaid(code, requestId)) {
    return unexpected(answer);
  }
  return new BunkmsApiError({
    code,
    message: typeof body["error"] === "string" ? oneLine(body["error"]) : code,
    requestId,
    httpStatus: answer.status,
    retryable: isErrorCode(code) && ERRORS[code].retryable,
    retryAfterMs: answer.retryAfterMs,
  });
}

function unexpected(answer: Answer): UnexpectedAnswerError {
  const type = answer.contentType === "" ? "no content type" : oneLine(answer.contentType);
  const text = `${answer.origin} answered ${answer.status} (${type}), which is not an answer of BunKMS`;
  return new UnexpectedAnswerError(text, answer.status, answer.retryAfterMs);
}
