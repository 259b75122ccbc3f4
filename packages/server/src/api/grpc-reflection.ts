import { create, createRegistry, type DescFile, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { CONTRACT_FILES } from "@bunkms/contract";
import {
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "@bunkms/contract/descriptors";
import type * as grpc from "@grpc/grpc-js";
import { asRefusal } from "../pipeline/refusal.ts";
import { converse, holdUntil } from "./grpc-conversation.ts";
import { grpcStatus } from "./grpc-status.ts";
import { chooseRequestId } from "./headers.ts";
import { strictFromBinary } from "./strict-wire.ts";

type Stream = grpc.ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** Lets a reflection call in, and tells how it leaves. @throws grpc.ServiceError */
type Admit = (call: Stream, signal: AbortSignal) => Promise<() => void>;

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;
/** More than a question can have, each of its fields once. */
const MAX_MEMBERS = 10;
const FILES: readonly DescFile[] = [...CONTRACT_FILES, file_grpc_health_v1_health, file_grpc_reflection_v1_reflection];

/** Server reflection (grpc.reflection.v1), from the same descriptors that everything else is made of. */
export function addReflectionService(server: grpc.Server, admit: Admit): void {
  const definition: grpc.MethodDefinition<ServerReflectionRequest, ServerReflectionResponse> = {
    path: `/${ServerReflection.typeName}/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message) => Buffer.from(toBinary(ServerReflectionRequestSchema, message)),
    requestDeserialize: (bytes) => strictFromBinary(ServerReflectionRequestSchema, bytes, MAX_MEMBERS),
    responseSerialize: (message) => Buffer.from(toBinary(ServerReflectionResponseSchema, message)),
    responseDeserialize: (bytes) => fromBinary(ServerReflectionResponseSchema, bytes),
  };
  server.addService(
    { ServerReflectionInfo: definition },
    { ServerReflectionInfo: (call: Stream) => void reflect(call, admit) },
  );
}

async function reflect(call: Stream, admit: Admit): Promise<void> {
  call.pause();
  const aborted = new AbortController();
  call.on("cancelled", () => aborted.abort());
  try {
    holdUntil(aborted.signal, await admit(call, aborted.signal));
    await converse(call, aborted.signal, async (request) =>
      create(ServerReflectionResponseSchema, {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answerOf(request),
      }),
    );
    call.end();
  } catch (error) {
    // When the caller went away, or sent no proper message, grpc-js has ended the call.
    call.emit("error", isStatus(error) ? error : grpcStatus(asRefusal(error), chooseRequestId(undefined)));
  }
}

function isStatus(error: unknown): error is grpc.ServiceError {
  return error instanceof Error && "metadata" in error;
}

function answerOf({ messageRequest }: ServerReflectionRequest): Answer {
  switch (messageRequest.case) {
    case "listServices": {
      const service = FILES.flatMap((file) => file.services.map(({ typeName }) => ({ name: typeName })));
      return { case: "listServicesResponse", value: { service } };
    }
    case "fileByFilename":
      return filesOf(ALL_FILES.find((file) => file.proto.name === messageRequest.value));
    case "fileContainingSymbol":
      return filesOf(fileOfSymbol(messageRequest.value));
    default:
      return error(UNIMPLEMENTED, "this kind of reflection is not offered");
  }
}

function filesOf(file: DescFile | undefined): Answer {
  if (file === undefined) {
    return error(NOT_FOUND, "there is no such file or symbol");
  }
  const fileDescriptorProto = [...withImports(file)].map(encoded);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function error(errorCode: number, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

const ENCODED = new Map<DescFile, Uint8Array>();

function encoded(file: DescFile): Uint8Array {
  const bytes = ENCODED.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
  ENCODED.set(file, bytes);
  return bytes;
}

/** A file and all that it imports, each once. */
function withImports(file: DescFile, seen = new Set<DescFile>()): Set<DescFile> {
  if (!seen.has(file)) {
    seen.add(file);
    for (const dependency of file.dependencies) {
      withImports(dependency, seen);
    }
  }
  return seen;
}

const ALL_FILES: readonly DescFile[] = [...FILES.reduce((seen, file) => withImports(file, seen), new Set<DescFile>())];
const REGISTRY = createRegistry(...ALL_FILES);

/** The file that defines a message, service or method. */
function fileOfSymbol(symbol: string): DescFile | undefined {
  const found = REGISTRY.get(symbol) ?? REGISTRY.getService(symbol.slice(0, symbol.lastIndexOf(".")));
  return found?.file;
}
