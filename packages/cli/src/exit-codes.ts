import { BunkmsApiError, ConnectionError, type ErrorCode, RequestError, UnexpectedAnswerError } from "@bunkms/client";
import { Failure } from "./failure.ts";

/** The exit codes and what they mean. Help and docs/cli.md repeat this table. */
export const EXIT_CODES = Object.freeze({
  0: "done",
  1: "the answer is no: a signature or a code is not valid, or `bunkms operator status` found the vault not open",
  2: "the command was not used as it is meant to be, or the server refused the request as malformed",
  3: "no token, a token that is not valid, or one whose role does not allow it",
  4: "there is no such key, alias, secret, token, slot, audit entry, hold, attachment or operation",
  5: "the name is taken, the key's state does not allow it, or somebody else changed it at the same time",
  6: "the server was not reached, or cannot serve at the moment; trying again may help",
  7: "anything else; a ciphertext that cannot be decrypted, too",
  8: "an audit log, a checkpoint or a receipt does not verify, or did not grow from what it was",
});

/** One of the exit codes. */
export type ExitCode = keyof typeof EXIT_CODES;

interface Meaning {
  readonly exitCode: ExitCode;
  readonly next: string;
}

const meaning = (exitCode: ExitCode, next: string): Meaning => ({ exitCode, next });
const KEY_ABILITIES =
  '"bunkms key get NAME" shows a key\'s type and purpose; docs/key-types.md lists what each type can do.';
const RETRY = "Try again; if it stays so, look at the server's log.";

/** What each of the contract's error codes means here. A code that the contract gains does not compile without a row. */
const MEANINGS: Readonly<Record<ErrorCode, Meaning>> = {
  invalid_request: meaning(2, 'See the command\'s "--help" for what it takes.'),
  unsupported_key_type: meaning(2, 'Key types are listed by "bunkms key types".'),
  unsupported_algorithm: meaning(2, KEY_ABILITIES),
  wrong_key_usage: meaning(2, KEY_ABILITIES),
  invalid_digest_length: meaning(2, "Hash with the algorithm's own hash, or let the server hash: leave --digest out."),
  invalid_key_material: meaning(2, "Check that the material is of the declared type and format."),
  invalid_public_key: meaning(2, "Check that the public key is of the key's own type."),
  plaintext_too_long: meaning(
    2,
    'Encrypt a data key with it, and the data with the data key: "bunkms datakey --help".',
  ),
  unknown_version: meaning(2, 'The versions are listed by "bunkms key get NAME".'),
  insecure_transport: meaning(2, "Use an https:// address, and material that nobody has seen."),
  wrong_key_state: meaning(5, 'The states of a key and its versions are shown by "bunkms key get NAME".'),
  decryption_failed: meaning(7, "Check that key, ciphertext and --aad or --context are those of the encryption."),
  unauthenticated: meaning(3, 'The token may have expired or been revoked. Log in with another: "bunkms login".'),
  permission_denied: meaning(3, 'The token\'s role is shown by "bunkms whoami". Ask for a token with a higher role.'),
  not_found: meaning(4, 'Names are listed by "bunkms key list", "bunkms alias list" and "bunkms secret list".'),
  unknown_operation: meaning(4, "The server is older than this command. Update it."),
  method_not_allowed: meaning(7, "The server is older than this command, or something stands between. Check --url."),
  already_exists: meaning(5, "Choose another name, or use what exists."),
  conflict: meaning(5, RETRY),
  version_mismatch: meaning(
    5,
    'Look at "bunkms secret versions NAME" first: somebody else stored a value, or deleted the secret.',
  ),
  archive_not_configured: meaning(5, "Start the server with BUNKMS_AUDIT_ARCHIVE."),
  wrong_audit_range: meaning(5, 'What is archived and pruned is shown by "bunkms audit retention".'),
  audit_hold: meaning(5, 'Holds are shown by "bunkms audit retention".'),
  audit_full: meaning(6, 'Archive and prune the log: "bunkms audit archive --help"; or raise BUNKMS_AUDIT_MAX_SIZE.'),
  idempotency_mismatch: meaning(5, "Use a new idempotency key for each request."),
  already_done: meaning(5, 'Look what it made: "bunkms token list", "bunkms slot list".'),
  payload_too_large: meaning(2, "The server takes up to 512 KiB at once."),
  unsupported_media_type: meaning(7, "Something between changes requests. Check --url."),
  too_many_requests: meaning(6, RETRY),
  cancelled: meaning(6, RETRY),
  deadline_exceeded: meaning(6, RETRY),
  internal: meaning(7, "The server's log tells more under the request id."),
  storage_unavailable: meaning(6, "Check the server's disk and its log; then try again."),
  audit_unavailable: meaning(6, "Check the server's disk and its log; then try again."),
  invalid_share: meaning(2, "Check the share: it has a checksum, and belongs to one vault and one set."),
  already_initialised: meaning(5, 'Unseal it instead: "bunkms operator unseal"; see "bunkms operator status".'),
  last_slot: meaning(5, 'Add another slot first: "bunkms slot add KIND".'),
  slot_damaged: meaning(5, 'Look at "bunkms slot list", and remove the damaged slot.'),
  vault_damaged: meaning(7, "Look at the server's log; docs/seals.md tells how to open a vault that was restored."),
  rotation_in_progress: meaning(6, 'Its progress is shown by "bunkms operator barrier-status".'),
  seal_not_configured: meaning(5, "Start the server with the settings of that seal: docs/seals.md."),
  seal_unavailable: meaning(6, "Check that the server reaches the seal: its log says what failed."),
  sealed: meaning(6, 'Unseal it with shares: "bunkms operator unseal"; see "bunkms operator status".'),
  not_initialised: meaning(6, 'Where shamir is among its seals: "bunkms operator init"; see "bunkms operator status".'),
  shutting_down: meaning(6, "Try again when it is back."),
};

/** What a command threw, with advice of its own where a code means something else there than elsewhere. */
export function withAdvice(error: unknown, advice: Partial<Readonly<Record<ErrorCode, string>>>): unknown {
  const next = error instanceof BunkmsApiError ? advice[error.code as ErrorCode] : undefined;
  if (next === undefined) {
    return error;
  }
  const { exitCode, message } = asFailure(error);
  return new Failure(exitCode, message, next);
}

/** Turns whatever a command threw into a failure to report. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) {
    return error;
  }
  if (error instanceof BunkmsApiError) {
    const { exitCode, next } = Object.hasOwn(MEANINGS, error.code)
      ? MEANINGS[error.code as ErrorCode]
      : meaning(7, "This error is of a newer server. Update bunkms.");
    const id = error.requestId === "" ? "" : `, request ${error.requestId}`;
    // On one line: the next one is for advice of our own.
    return new Failure(exitCode, `${error.message.replaceAll("\n", "\\n")} (${error.code}${id})`, next);
  }
  if (error instanceof ConnectionError) {
    return new Failure(6, error.message, error.advice);
  }
  if (error instanceof UnexpectedAnswerError) {
    return new Failure(7, error.message, "Check the address: something else may answer there.");
  }
  if (error instanceof RequestError) {
    return new Failure(2, error.message);
  }
  return new Failure(7, error instanceof Error ? error.message : String(error));
}
