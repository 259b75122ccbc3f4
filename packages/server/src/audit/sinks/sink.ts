/** The kinds of sinks. There is one of each at most. */
export const SINK_NAMES = Object.freeze(["file", "syslog", "otlp", "webhook"] as const);

export type SinkName = (typeof SINK_NAMES)[number];

/** An entry as it is in the log. */
export interface SinkEntry {
  /** Its place in the log, from 0. With it a receiver drops what it has already, and asks for a proof. */
  readonly index: number;
  /** The leaf's bytes: one JSON object without a line end (spec/audit.md). */
  readonly bytes: Buffer;
}

/** So many entries at most are handed out at once. */
export const MAX_BATCH_ENTRIES = 512;
/** So many bytes of entries at most are handed out at once, unless one alone is larger. */
export const MAX_BATCH_BYTES = 1024 * 1024;

/** A place outside that gets the log's entries. */
export interface Sink {
  readonly name: SinkName;
  /**
   * Hands entries over, in the log's order. That it returns means what docs/audit-sinks.md says for this sink. After an
   * error the same entries come again, perhaps with more of them.
   * @throws DeliveryFailed; the signal's reason when it is aborted.
   */
  deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void>;
  /** Opens anew what may have been moved away. */
  reopen?(): void;
  close(): Promise<void>;
}

/** How a failed delivery goes on. */
export interface Failure {
  /** It is not tried again before so many milliseconds. */
  readonly pauseMs?: number;
  /** It fails again until somebody does something about it. */
  readonly needsMending?: boolean;
  /** Fewer entries at once may fit. */
  readonly isTooLarge?: boolean;
}

/** A sink did not take entries. The message is for the operator, and never quotes what the other side said. */
export class DeliveryFailed extends Error {
  readonly failure: Failure;

  constructor(message: string, failure: Failure = {}) {
    super(message);
    this.name = "DeliveryFailed";
    this.failure = failure;
  }
}
