export * from "./gen/bunkms/record/v1/record_pb.js";
