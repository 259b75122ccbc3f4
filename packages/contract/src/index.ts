export * from "./errors.ts";
export * from "./gen/bunkms/v1/keys_pb.js";
export * from "./gen/bunkms/v1/options_pb.js";
export * from "./gen/bunkms/v1/secrets_pb.js";
export * from "./gen/bunkms/v1/system_pb.js";
export * from "./gen/bunkms/v1/tokens_pb.js";
export * from "./operations.ts";
