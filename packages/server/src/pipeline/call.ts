import type { Message } from "@bufbuild/protobuf";
import type { BunkmsError, OperationSpec } from "@bunkms/contract";

/** A call as a transport hands it in: nothing of it is believed yet. */
export interface Call {
  readonly transport: "rest" | "grpc";
  /** The peer's network address, without the port. */
  readonly source: string;
  readonly requestId: string;
  /** Whether it came over TLS, so that nobody on the way could read it. */
  readonly secure: boolean;
  /** The bearer token, if one was given. */
  readonly token: string | undefined;
  /** What the caller named the call by, so that it can be repeated and is carried out once; not checked yet. */
  readonly idempotencyKey?: string | undefined;
  /** The operation that the request names, or why it names none. */
  readonly operation: OperationSpec | BunkmsError;
  /** Aborted when the caller goes away or its deadline passes. */
  readonly signal: AbortSignal;
  /**
   * Told where the call was recorded, and the proof of it, before its answer leaves; absent when nobody asked for it.
   */
  readonly onReceipt?: ((receipt: Receipt) => void) | undefined;
  /** Reads and parses the request, once the caller is known. @throws BunkmsError */
  readonly readRequest: (spec: OperationSpec) => Promise<Message>;
}

/** Where a call is in the audit log. */
export interface Receipt {
  /** Its entry's index. */
  readonly index: number;
  /** The text of a `.tlog-proof` (C2SP tlog-proof); undefined when no checkpoint could be signed just now. */
  readonly proof: string | undefined;
}

/** One line of the request log. Nothing in it is secret, and nothing is the caller's free text. */
export interface CallLogLine {
  readonly request_id: string;
  readonly operation: string;
  readonly identity: string;
  readonly outcome: string;
  readonly source: string;
  readonly transport: string;
  readonly ms: number;
}

/** Where the pipeline reports to. */
export interface Reporter {
  /** Every call, once it has ended. */
  call(line: CallLogLine): void;
  /** What went wrong inside: for the log, never for the caller. */
  failure(requestId: string, error: unknown): void;
}
