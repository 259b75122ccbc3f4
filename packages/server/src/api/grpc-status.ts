import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type BunkmsError, ERRORS, ErrorDetailSchema } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";

/** An error as gRPC status: code and text, and in `grpc-status-details-bin` the stable code and the request id. */
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
  const any = new BinaryWriter();
  any.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${ErrorDetailSchema.typeName}`);
  any.tag(2, WireType.LengthDelimited).bytes(detail);
  const status = new BinaryWriter();
  status.tag(1, WireType.Varint).int32(code);
  status.tag(2, WireType.LengthDelimited).string(error.message);
  status.tag(3, WireType.LengthDelimited).bytes(any.finish());
  return status.finish();
}
