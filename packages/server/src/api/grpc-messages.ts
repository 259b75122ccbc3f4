import { type DescMethod, type Message, toBinary } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import { wipeSecrets } from "../pipeline/secret-fields.ts";
import { strictFromBinary } from "./strict-wire.ts";

/** A method of the contract in bytes: requests stay so until the caller is known, answers are so once their secrets are zeroed. */
export function methodInBytes(method: DescMethod): grpc.MethodDefinition<Buffer, Buffer> {
  const isStream = method.methodKind !== "unary";
  const asIs = (bytes: Buffer): Buffer => bytes;
  return {
    path: pathOf(method),
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/** A method's path, as HTTP/2 has it. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** An answer's bytes. Zeroes its secrets. */
export function encodeAnswer({ method }: OperationSpec, message: Message): Buffer {
  const bytes = toBinary(method.output, message as never);
  wipeSecrets(method.output, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads a request's message.
 * @throws BunkmsError `payload_too_large`, `invalid_request`
 */
export function decodeRequest({ method, maxRequestBytes, maxMembers }: OperationSpec, bytes: Buffer): Message {
  if (bytes.length > maxRequestBytes) {
    throw new BunkmsError("payload_too_large", `the message is larger than ${maxRequestBytes} bytes`);
  }
  try {
    return strictFromBinary(method.input, bytes, maxMembers);
  } catch (error) {
    throw error instanceof BunkmsError
      ? error
      : new BunkmsError("invalid_request", "the message is not valid Protobuf");
  }
}
