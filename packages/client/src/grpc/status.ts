import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { DurationSchema, durationMs } from "@bufbuild/protobuf/wkt";
import { ERRORS, type ErrorDetail, ErrorDetailSchema, isErrorCode, REQUEST_ID_FORM } from "@bunkms/contract";
import { BunkmsApiError } from "../errors.ts";
import { canBeSaid, oneLine } from "../said-text.ts";

/** A gRPC status as trailers, or the headers of an answer without a message, carry it. */
export interface GrpcStatus {
  /** google.rpc.Code; 0 is a success. */
  readonly code: number;
  readonly message: string;
  readonly detail: ErrorDetail | undefined;
  readonly requestId: string;
  /** How long to wait before the next try (google.rpc.RetryInfo); undefined when it does not say. */
  readonly retryAfterMs: number | undefined;
}

/** What is read of headers or trailers. */
export type Fields = Readonly<Record<string, string | readonly string[] | undefined>>;

const TYPE_PREFIX = "type.googleapis.com/";

/** The HTTP status and a code for an answer that has no detail of ours, because something between gave it. */
const FOREIGN: ReadonlyMap<number, readonly [http: number, code: string]> = new Map([
  [1, [503, "cancelled"]],
  [3, [400, "invalid_request"]],
  [4, [504, "deadline_exceeded"]],
  [5, [404, "not_found"]],
  [6, [409, "already_exists"]],
  [7, [403, "permission_denied"]],
  [8, [429, "too_many_requests"]],
  [10, [409, "conflict"]],
  [12, [404, "unknown_operation"]],
  [14, [503, "unavailable"]],
  [16, [401, "unauthenticated"]],
]);

/** Reads a status. @returns undefined when there is none in these fields. */
export function readStatus(fields: Fields): GrpcStatus | undefined {
  const code = one(fields, "grpc-status");
  if (code === undefined || !/^\d{1,3}$/.test(code)) {
    return undefined;
  }
  return {
    code: Number(code),
    message: decodeMessage(one(fields, "grpc-message") ?? ""),
    requestId: one(fields, "x-request-id") ?? "",
    ...readDetails(one(fields, "grpc-status-details-bin")),
  };
}

/** The error of a status that is no success: the same that REST gives. */
export function statusError({ code: grpcCode, message, retryAfterMs, ...said }: GrpcStatus): BunkmsApiError {
  const requestId = REQUEST_ID_FORM.test(said.requestId) ? said.requestId : "";
  const detail =
    said.detail !== undefined && canBeSaid(said.detail.code, said.detail.requestId) ? said.detail : undefined;
  const [foreignHttp, foreignCode] = FOREIGN.get(grpcCode) ?? [500, "internal"];
  const code = detail?.code ?? foreignCode;
  const known = isErrorCode(code) ? ERRORS[code] : undefined;
  return new BunkmsApiError({
    code,
    message: message === "" ? (known?.text ?? code) : oneLine(message),
    requestId: detail?.requestId || requestId,
    httpStatus: detail === undefined ? foreignHttp : (known?.http ?? foreignHttp),
    retryable: known?.retryable ?? grpcCode === 14,
    retryAfterMs,
  });
}

/** Percent-encoded as gRPC has it; what is wrongly encoded stays as it is. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * What a status's details say, google.rpc.Status {int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3},
 * as far as the bytes are such a status.
 */
function readDetails(base64: string | undefined): Pick<GrpcStatus, "detail" | "retryAfterMs"> {
  let detail: ErrorDetail | undefined;
  let retryAfterMs: number | undefined;
  try {
    const bytes = Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
    for (const any of fieldsOf(bytes, 3)) {
      const [url] = fieldsOf(any, 1);
      const [value = new Uint8Array(0)] = fieldsOf(any, 2);
      switch (new TextDecoder().decode(url)) {
        case `${TYPE_PREFIX}${ErrorDetailSchema.typeName}`:
          detail ??= fromBinary(ErrorDetailSchema, value);
          break;
        case `${TYPE_PREFIX}google.rpc.RetryInfo`:
          retryAfterMs ??= readRetryInfo(value);
          break;
      }
    }
  } catch {
    // Not of our server: the status's number remains.
  }
  return { detail, retryAfterMs };
}

/** google.rpc.RetryInfo {google.protobuf.Duration retry_delay = 1}. @returns undefined for a time that makes no sense. */
function readRetryInfo(retryInfo: Uint8Array): number | undefined {
  const [delay] = fieldsOf(retryInfo, 1);
  const ms = delay === undefined ? -1 : durationMs(fromBinary(DurationSchema, delay));
  return ms >= 0 ? ms : undefined;
}

/** The values of a message's length-delimited field. */
function fieldsOf(message: Uint8Array, number: number): readonly Uint8Array[] {
  const reader = new BinaryReader(message);
  const values: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === number && wireType === WireType.LengthDelimited) {
      values.push(reader.bytes());
    } else {
      reader.skip(wireType);
    }
  }
  return values;
}

function one(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "object" ? value[0] : value;
}
