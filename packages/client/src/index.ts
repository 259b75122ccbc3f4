export type * from "@bunkms/contract";
export { loadAttachments } from "./attachment-loader.ts";
export type { BackedUpKey, BackedUpVersion } from "./backup/seal-key-backup.ts";
export { type BunkmsClient, createClient, type ServiceClient, type StreamRequests } from "./client.ts";
export type { EncryptionContext } from "./crypto/additional-data.ts";
export type { CachePolicy } from "./envelope/cache-policy.ts";
export {
  createEnvelope,
  type Envelope,
  type EnvelopeBinding,
  type EnvelopeClient,
  type EnvelopeOptions,
  type Waiting,
} from "./envelope/envelope.ts";
export { EnvelopeError, type EnvelopeErrorCode } from "./envelope/envelope-error.ts";
export {
  type ApiErrorCode,
  type ApiErrorInit,
  BunkmsApiError,
  ConnectionError,
  type ConnectionReason,
  RequestError,
  UnexpectedAnswerError,
} from "./errors.ts";
export type { ByteSource } from "./file/byte-source.ts";
export {
  type DecryptFileOptions,
  decryptFile,
  type EncryptFileOptions,
  encryptFile,
  type FileBinding,
  type FileClient,
} from "./file/file-cipher.ts";
export { FileCipherError, type FileCipherErrorCode } from "./file/file-error.ts";
export type { KeyWrapAlgorithm } from "./import/wrap-material.ts";
export type { JwsAlg } from "./jose/jws-algorithms.ts";
export {
  createJwsSigner,
  type JsonObject,
  type JwsClient,
  type JwsSigner,
  type JwsSignerOptions,
  type PublicJwk,
} from "./jose/jws-signer.ts";
export { messageFromJson, messageToJson } from "./json.ts";
export { loadKeyBackup } from "./key-backup-loader.ts";
export { loadKeyWrap } from "./key-wrap-loader.ts";
export { findOperation, OPERATIONS } from "./operation-lookup.ts";
export type { CallOptions, ClientOptions, Fetch, TlsOptions, TokenSource } from "./options.ts";
export type { RetryPolicy } from "./retry.ts";
export { printable } from "./said-text.ts";
export { fileToken } from "./token-file.ts";
export type { ProbeResult } from "./wire.ts";
