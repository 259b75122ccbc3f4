export type * from "@bunkms/contract";
export { type BunkmsClient, createClient, type ProbeResult, type ServiceClient } from "./client.ts";
export { BunkmsApiError, ConnectionError, RequestError, UnexpectedAnswerError } from "./errors.ts";
export type { DecryptFileOptions, EncryptFileOptions, FileBinding, FileClient } from "./file/file-cipher.ts";
export { FileCipherError, type FileCipherErrorCode } from "./file/file-error.ts";
export { loadFileCipher } from "./file-cipher-loader.ts";
export { messageFromJson, messageToJson } from "./json.ts";
export { findOperation, OPERATIONS } from "./operation-lookup.ts";
export type { CallOptions, Fetch, TokenSource, TransportOptions } from "./transport.ts";
