/** What one error code means on each wire, and what a caller may be told. */
interface ErrorRow {
  /** HTTP status. */
  readonly http: number;
  /** gRPC status code, as in google.rpc.Code. */
  readonly grpc: number;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** Text for the caller when the place that failed gave none. */
  readonly text: string;
}

const row = (http: number, grpc: number, retryable: boolean, text: string): ErrorRow =>
  Object.freeze({ http, grpc, retryable, text });

/**
 * The closed table of errors. Codes are stable; texts may change.
 * It has no prototype, so that a code from a client can be looked up without care.
 */
export const ERRORS = Object.freeze({
  __proto__: null,
  invalid_request: row(400, 3, false, "the request is malformed"),
  unsupported_key_type: row(400, 3, false, "unknown key type"),
  unsupported_algorithm: row(400, 3, false, "the key does not support this algorithm"),
  wrong_key_usage: row(400, 9, false, "the key is not for this use"),
  invalid_digest_length: row(400, 3, false, "the digest's length is not that of the algorithm's hash"),
  invalid_key_material: row(400, 3, false, "the key material does not fit the declared type"),
  invalid_public_key: row(400, 3, false, "the public key is malformed or not of the key's type"),
  plaintext_too_long: row(400, 3, false, "the plaintext is longer than the key can encrypt"),
  invalid_share: row(400, 3, false, "this is no share of this vault"),
  unknown_version: row(400, 3, false, "the key has no such version"),
  insecure_transport: row(
    400,
    9,
    false,
    "key material is taken over TLS only; what was sent without is to be considered disclosed",
  ),
  wrong_key_state: row(409, 9, false, "the key's state does not allow this"),
  // Whatever is wrong with a ciphertext: one code and one text, so that nothing can be learnt by trying.
  decryption_failed: row(400, 3, false, "the ciphertext cannot be decrypted with this key and additional data"),
  unauthenticated: row(401, 16, false, "a valid token is needed: Authorization: Bearer <token>"),
  permission_denied: row(403, 7, false, "the token's role does not allow this operation"),
  not_found: row(404, 5, false, "there is no such resource"),
  unknown_operation: row(404, 12, false, "there is no such operation"),
  method_not_allowed: row(405, 12, false, "the method is not allowed here"),
  already_exists: row(409, 6, false, "the name is taken"),
  already_initialised: row(400, 9, false, "the vault is initialised already"),
  last_slot: row(409, 9, false, "this is the only seal slot: without it nothing opens the vault; add another first"),
  slot_damaged: row(
    409,
    9,
    false,
    "a seal slot is damaged or missing, so the root key cannot be rotated; remove that slot first",
  ),
  vault_damaged: row(
    409,
    9,
    false,
    "the vault was damaged or changed, or is older than it was; the server's log says which, and what to do",
  ),
  rotation_in_progress: row(409, 9, false, "records are still being sealed anew after the last rotation; try again"),
  seal_not_configured: row(409, 9, false, "the server has no settings for this seal: give them, and start it again"),
  seal_unavailable: row(503, 14, true, "the seal cannot be reached now; nothing was changed"),
  conflict: row(409, 10, true, "somebody else changed it at the same time; try again"),
  // ABORTED, as gRPC says of a test-and-set that fails: to be tried again by who knows what changed, not by a client library.
  version_mismatch: row(409, 10, false, "the latest version is another one; read it before you write the next"),
  archive_not_configured: row(409, 9, false, "the server has no folder for the archive (BUNKMS_AUDIT_ARCHIVE)"),
  wrong_audit_range: row(409, 9, false, "the audit log does not have these entries, or not where they must be"),
  audit_hold: row(409, 9, false, "a legal hold keeps these entries; release it first"),
  audit_full: row(
    507,
    8,
    false,
    "the audit log has reached its size limit, so nothing is done: archive and prune it, or raise BUNKMS_AUDIT_MAX_SIZE",
  ),
  idempotency_mismatch: row(
    422,
    9,
    false,
    "this idempotency key was used for another request; use a new one for each request, and the same only to repeat it",
  ),
  already_done: row(
    409,
    9,
    false,
    "this call was carried out already, and its answer is not kept, since it holds secrets or is long; look what it made before you call again",
  ),
  payload_too_large: row(413, 8, false, "the request, or its answer, is too large"),
  unsupported_media_type: row(415, 3, false, "the content type must be application/json"),
  too_many_requests: row(429, 8, true, "too many requests at once; try again"),
  cancelled: row(503, 1, true, "the caller went away"),
  deadline_exceeded: row(503, 4, true, "the deadline passed"),
  internal: row(500, 13, false, "internal error; the server's log has the request id"),
  storage_unavailable: row(503, 14, true, "the store cannot be read or written; nothing was changed"),
  audit_unavailable: row(503, 14, true, "the audit log cannot be written, so nothing was done"),
  sealed: row(503, 14, true, "the vault is sealed: unseal it first (bunkms operator unseal)"),
  not_initialised: row(503, 14, true, "there is no vault yet: initialise it first (bunkms operator init)"),
  shutting_down: row(503, 14, true, "the server is shutting down"),
} as const);

/** How many seconds to wait before a retryable call is made again: `Retry-After` over REST, `RetryInfo` over gRPC. */
export const RETRY_AFTER_S = 1;

/** A stable error code. */
export type ErrorCode = Exclude<keyof typeof ERRORS, "__proto__">;

/** Whether `code` is one of the table's codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return code in ERRORS;
}

/**
 * An error that may reach a caller. Its message is safe text: it names what is wrong and what to do, never a value
 * that the caller sent nor anything of the server's inside. What went wrong inside is the `cause`, for the log.
 */
export class BunkmsError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, text?: string, options?: { readonly cause?: unknown }) {
    super(text ?? ERRORS[code].text, options);
    this.name = "BunkmsError";
    this.code = code;
  }
}
