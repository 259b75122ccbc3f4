import { type NoteKey, NoteMalformed, parseNote, verifyCosignature } from "@bunkms/tlog";
import { AnswerTooLarge } from "../../remote/bounded-answer.ts";
import type { HttpAnswer, HttpService } from "../../remote/http-service.ts";
import { findCause, networkCode } from "../../remote/network-code.ts";

/** Why a witness does not cosign: short codes, and what they mean. None of them quotes what a witness said. */
export const FAILURE_MEANINGS = Object.freeze({
  unreachable: "it cannot be reached: look at the address, the network and the certificates",
  timeout: "it did not answer in time",
  redirected: "it answers with a redirect, which is not followed: set the address of the witness itself",
  answer_too_large: "its answer is too large",
  answer_malformed: "its answer is none of C2SP tlog-witness: look at the address and what is in between",
  signature_wrong: "its signature is not one over this checkpoint by the key that the policy has for it",
  signature_missing: "its answer has no signature by the key that the policy has for it",
  time_missing: "its signature has no time, and so does not say that this is the largest log that it saw",
  request_refused: "it refuses the request as malformed",
  log_unknown: "it does not know this log: its operator has to add the log's origin and key",
  key_unknown: "it does not know the key that signs this log: its operator has to add it",
  throttled: "it takes no more requests at the moment",
  failing: "it fails",
  conflict: "somebody else submits checkpoints of this log to it",
  larger_log: "it has cosigned a larger log of this origin than this one: was an old copy of the data put back?",
  other_log: "it has cosigned another log of this origin than this one: were entries changed, or an old copy put back?",
});

export type FailureReason = keyof typeof FAILURE_MEANINGS;

/** Reasons that speak of the log, not of the witness. */
const CONTRADICTIONS: ReadonlySet<FailureReason> = new Set(["larger_log", "other_log"]);

/** A witness that did not cosign. */
export class WitnessFailure extends Error {
  override readonly name = "WitnessFailure";
  readonly reason: FailureReason;

  constructor(reason: FailureReason, options?: ErrorOptions) {
    super(FAILURE_MEANINGS[reason], options);
    this.reason = reason;
  }

  /** Whether the witness says that it has seen another log. */
  get isContradiction(): boolean {
    return CONTRADICTIONS.has(this.reason);
  }
}

/** What is submitted. */
export interface Submission {
  /** Size of the log that the witness knows, as far as the sender knows. */
  readonly old: number;
  /** That the checkpoint's log begins with it. */
  readonly proof: readonly Buffer[];
  /** The signed note. */
  readonly note: string;
}

/** Either a cosignature, with its line, or the size of the log that the witness knows in truth. */
export type Answer =
  | { readonly line: string; readonly timestamp: number }
  | {
      readonly size: number;
    };

/**
 * Submits a checkpoint to a witness (C2SP tlog-witness, add-checkpoint), and verifies its cosignature.
 * @param path The submission prefix's, without a slash at its end.
 * @param key The only one whose signature is taken.
 * @param deadline Ends the call with reason `timeout`.
 * @throws WitnessFailure; the signal's reason when it is aborted.
 */
export async function addCheckpoint(
  service: HttpService,
  path: string,
  submission: Submission,
  key: NoteKey,
  signal: AbortSignal,
  deadline: AbortSignal,
): Promise<Answer> {
  let answer: HttpAnswer;
  try {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    const either = AbortSignal.any([signal, deadline]);
    answer = await service.send("POST", `${path}/add-checkpoint`, headers, encode(submission), either);
  } catch (cause) {
    signal.throwIfAborted();
    throw new WitnessFailure(deadline.aborted ? "timeout" : callFailure(cause), { cause: networkCode(cause) });
  }
  try {
    return read(answer, parseNote(submission.note).text, key);
  } catch (error) {
    throw error instanceof NoteMalformed ? new WitnessFailure("answer_malformed") : error;
  }
}

function encode({ old, proof, note }: Submission): Buffer {
  const lines = [`old ${old}`, ...proof.map((hash) => hash.toString("base64")), "", note];
  return Buffer.from(lines.join("\n"));
}

function callFailure(cause: unknown): FailureReason {
  return findCause(cause, (error) => error instanceof AnswerTooLarge) === undefined
    ? "unreachable"
    : "answer_too_large";
}

function read(answer: HttpAnswer, text: string, key: NoteKey): Answer {
  const { status } = answer;
  if (status === 200) {
    return readCosignature(answer.body, text, key);
  }
  if (status === 409) {
    return { size: readSize(answer) };
  }
  throw new WitnessFailure(statusFailure(status));
}

function statusFailure(status: number): FailureReason {
  const reason = REASONS.get(status);
  if (reason !== undefined) {
    return reason;
  }
  return status >= 500 ? "failing" : status >= 300 && status < 400 ? "redirected" : "answer_malformed";
}

const REASONS: ReadonlyMap<number, FailureReason> = new Map([
  [400, "request_refused"],
  [403, "key_unknown"],
  [404, "log_unknown"],
  [422, "other_log"],
  [429, "throttled"],
]);

/** The latest of the key's cosignatures; those of other keys are left alone. */
function readCosignature(body: Buffer, text: string, key: NoteKey): Answer {
  const note = parseNote(Buffer.concat([Buffer.from(`${text}\n`), body]));
  if (note.text !== text) {
    throw new WitnessFailure("answer_malformed");
  }
  const own = note.signatures.filter(({ name, id }) => name === key.name && id.equals(key.id));
  const verified = own.map((signature) => {
    const cosignature = verifyCosignature(text, signature, key);
    if (cosignature === undefined) {
      throw new WitnessFailure("signature_wrong");
    }
    return { line: signature.line, timestamp: cosignature.timestamp };
  });
  const [latest] = verified.toSorted((one, other) => other.timestamp - one.timestamp);
  if (latest === undefined) {
    throw new WitnessFailure("signature_missing");
  }
  if (latest.timestamp === 0) {
    throw new WitnessFailure("time_missing");
  }
  return latest;
}

function readSize({ headers, body }: HttpAnswer): number {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  const [, digits] = /^(0|[1-9]\d{0,15})\n$/.exec(body.toString("latin1")) ?? [];
  const size = Number(digits);
  if (type.trim().toLowerCase() !== "text/x.tlog.size" || !Number.isSafeInteger(size)) {
    throw new WitnessFailure("answer_malformed");
  }
  return size;
}
