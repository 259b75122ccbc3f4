/** Descriptors of what is served besides our own contract, and of all that reflection may be asked for. */
export * from "./gen/grpc/health/v1/health_pb.js";
export * from "./gen/grpc/reflection/v1/reflection_pb.js";
