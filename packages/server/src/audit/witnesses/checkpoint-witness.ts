import { type HttpService, openHttpService } from "../../remote/http-service.ts";
import type { SignedCheckpoint } from "../checkpoints.ts";
import { addCheckpoint, type FailureReason, type Submission, WitnessFailure } from "./add-checkpoint.ts";
import { type PolicyWitness, shownName } from "./policy.ts";

/** For one request. */
const TIMEOUT_MS = 10_000;
/** After the first failure; doubled with each further one. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

/** How far a witness is with the log. */
export interface WitnessCursor {
  /** Of the last checkpoint that it cosigned. */
  readonly size: number;
  /** When that was: milliseconds since 1970. */
  readonly cosignedAt: number;
}

/** What a witness does, or does not. */
export interface WitnessState {
  readonly name: string;
  /** Undefined before the first cosignature. */
  readonly cursor: WitnessCursor | undefined;
  /** Whether the last submission was cosigned. */
  readonly isUp: boolean;
  /** Undefined unless it does not cosign. */
  readonly failing: { readonly since: number; readonly reason: FailureReason } | undefined;
  /** Whether it says that it has seen another log. */
  readonly isContradicting: boolean;
}

/** What a witness is told from. */
export interface WitnessParts {
  /** Entries that are in the log now. */
  readonly logSize: () => number;
  /** @throws RangeError, StoreUnavailable */
  readonly proveConsistency: (from: number, to: number) => Promise<readonly Buffer[]>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  readonly report: WitnessReport;
}

/** What the operator should know, for the log. */
export interface WitnessReport {
  info(what: Readonly<Record<string, unknown>>, text: string): void;
  warn(what: Readonly<Record<string, unknown>>, text: string): void;
  error(what: Readonly<Record<string, unknown>>, text: string): void;
}

/** One witness: checkpoints are submitted to it one at a time, and less often while it fails. */
export class CheckpointWitness {
  readonly witness: PolicyWitness;
  readonly #parts: WitnessParts;
  readonly #service: HttpService;
  readonly #path: string;
  #cursor: WitnessCursor | undefined;
  /** Size of the log that it is believed to know. */
  #known = 0;
  #failing: WitnessState["failing"];
  #isUp = false;
  #isContradicting = false;
  #isBusy = false;
  #pauseMs = 0;
  #pausesUntil = Number.NEGATIVE_INFINITY;

  constructor(witness: PolicyWitness, parts: WitnessParts) {
    this.witness = witness;
    this.#parts = parts;
    this.#service = openHttpService(witness.address, undefined);
    this.#path = witness.address.pathname.replace(/\/+$/, "");
  }

  /** Goes on where an earlier run was. */
  adopt(cursor: WitnessCursor): void {
    this.#cursor = cursor;
    this.#known = cursor.size;
  }

  get cursor(): WitnessCursor | undefined {
    return this.#cursor;
  }

  /** Whether something may be submitted now. */
  get isFree(): boolean {
    return !this.#isBusy && this.#parts.monotonic() >= this.#pausesUntil;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get state(): WitnessState {
    return {
      name: shownName(this.witness.name),
      cursor: this.#cursor,
      isUp: this.#isUp,
      failing: this.#failing,
      isContradicting: this.#isContradicting,
    };
  }

  /**
   * Submits a checkpoint.
   * @returns The cosignature's line; undefined when there is none, which was reported, or when the signal was aborted.
   */
  async submit(checkpoint: SignedCheckpoint, signal: AbortSignal): Promise<string | undefined> {
    this.#isBusy = true;
    try {
      const line = await this.#cosign(checkpoint, signal);
      signal.throwIfAborted();
      this.#known = checkpoint.size;
      this.#cursor = { size: checkpoint.size, cosignedAt: this.#parts.clock() };
      this.#succeeded();
      return line;
    } catch (error) {
      if (!signal.aborted) {
        this.#failed(error);
      }
      return undefined;
    } finally {
      this.#isBusy = false;
    }
  }

  close(): void {
    this.#service.close();
  }

  /** Asks, and once more when the witness knows another size of the log than was believed. */
  async #cosign({ size, note }: SignedCheckpoint, signal: AbortSignal): Promise<string> {
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    // A size beyond this checkpoint's would be refused: nothing known is a question, too (C2SP tlog-witness).
    let old = this.#known <= size ? this.#known : 0;
    for (let isFirst = true; ; isFirst = false) {
      const submission: Submission = { old, proof: await this.#prove(old, size), note };
      const answer = await addCheckpoint(this.#service, this.#path, submission, this.witness.key, signal, deadline);
      if ("line" in answer) {
        return answer.line;
      }
      if (answer.size === old) {
        throw new WitnessFailure("answer_malformed");
      }
      if (answer.size > this.#parts.logSize()) {
        // Not believed to be its size from now on: it would be asked about what nobody has.
        throw new WitnessFailure("larger_log");
      }
      this.#known = answer.size;
      if (!isFirst || answer.size > size) {
        throw new WitnessFailure("conflict");
      }
      old = answer.size;
    }
  }

  async #prove(from: number, to: number): Promise<readonly Buffer[]> {
    return from === 0 || from === to ? [] : this.#parts.proveConsistency(from, to);
  }

  #succeeded(): void {
    if (this.#failing !== undefined) {
      this.#parts.report.info({ witness: this.state.name }, "the witness cosigns again");
    }
    this.#failing = undefined;
    this.#isUp = true;
    this.#isContradicting = false;
    this.#pauseMs = 0;
    this.#pausesUntil = Number.NEGATIVE_INFINITY;
  }

  #failed(error: unknown): void {
    const { clock, monotonic, report } = this.#parts;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2 || FIRST_PAUSE_MS);
    this.#pausesUntil = monotonic() + this.#pauseMs;
    if (!(error instanceof WitnessFailure)) {
      // The server's own failure, such as a store that cannot be read, says nothing of the witness.
      report.error({ witness: this.state.name, err: error }, "a checkpoint was not submitted to a witness");
      return;
    }
    const { reason, message, isContradiction, cause } = error;
    const isNew = this.#failing?.reason !== reason;
    this.#failing = { since: this.#failing?.since ?? clock(), reason };
    this.#isUp = false;
    // Until it cosigns again, even if it is not to be reached meanwhile.
    this.#isContradicting ||= isContradiction;
    if (isNew) {
      const what = { witness: this.state.name, reason, ...(cause === undefined ? {} : { code: cause }) };
      const text = `a witness does not cosign the audit log: ${message}`;
      isContradiction ? report.error(what, text) : report.warn(what, text);
    }
  }
}
