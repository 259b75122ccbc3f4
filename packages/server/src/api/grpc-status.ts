import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { type BunkmsError, ERRORS, ErrorDetailSchema, RETRY_AFTER_S } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";

/**
 * An error as gRPC status: code and text, and in `grpc-status-details-bin` the stable code, the request id and, where REST has
 * `Retry-After`, google.rpc.RetryInfo.
 */
export function grpcStatus(error: BunkmsError, requestId: string): grpc.ServiceError {
  const { grpc: code } = ERRORS[error.code];
  const metadata = new grpc.Metadata();
  metadata.set("x-request-id", requestId);
  metadata.set("grpc-status-details-bin", Buffer.from(statusDetails(code, error, requestId)));
  return Object.assign(new Error(error.message), { code, details: error.message, metadata });
}

/** google.rpc.Status {int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3}. */
function statusDetails(code: number, error: BunkmsError, requestId: string): Uint8Array {
  const detail = toBinary(ErrorDetailSchema, create(ErrorDetailSchema, { code: error.code, requestId }));
  const status = new BinaryWriter();
  status.tag(1, WireType.Varint).int32(code);
  status.tag(2, WireType.LengthDelimited).string(error.message);
  status.tag(3, WireType.LengthDelimited).bytes(packed(ErrorDetailSchema.typeName, detail));
  if (ERRORS[error.code].retryable) {
    status.tag(3, WireType.LengthDelimited).bytes(RETRY_INFO);
  }
  return status.finish();
}

/** google.protobuf.Any {string type_url = 1; bytes value = 2}. */
function packed(typeName: string, message: Uint8Array): Uint8Array {
  const any = new BinaryWriter();
  any.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${typeName}`);
  any.tag(2, WireType.LengthDelimited).bytes(message);
  return any.finish();
}

/** google.rpc.RetryInfo {google.protobuf.Duration retry_delay = 1}. */
const RETRY_INFO = packed("google.rpc.RetryInfo", retryInfo());

function retryInfo(): Uint8Array {
  const delay = toBinary(DurationSchema, create(DurationSchema, { seconds: BigInt(RETRY_AFTER_S) }));
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(delay).finish();
}
