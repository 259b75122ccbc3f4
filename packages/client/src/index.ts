export type * from "@bunkms/contract";
export { type BunkmsClient, createClient, type ProbeResult, type ServiceClient } from "./client.ts";
export { BunkmsApiError, ConnectionError, RequestError, UnexpectedAnswerError } from "./errors.ts";
export { messageFromJson, messageToJson } from "./json.ts";
export { findOperation, OPERATIONS } from "./operation-lookup.ts";
export type { CallOptions, Fetch, TokenSource, TransportOptions } from "./transport.ts";
