import { CheckpointRefused, isSameKey, type NoteKey, openCheckpoint } from "@bunkms/tlog";
import type { Checkpoints, SignedCheckpoint } from "../checkpoints.ts";
import { CheckpointWitness, type WitnessCursor, type WitnessParts, type WitnessState } from "./checkpoint-witness.ts";
import { Collection } from "./collection.ts";
import { needsWitnesses, type WitnessPolicy } from "./policy.ts";

/** So often it is looked whether there is something to submit. */
const PACE_MS = 1_000;
/** When a checkpoint has waited so long for its quorum, the operator is told. */
const MISSING_AFTER_MS = 60_000;

/** What a log is witnessed with. */
export interface WitnessingParts extends WitnessParts {
  readonly policy: WitnessPolicy;
  readonly checkpoints: Checkpoints;
  /** The log's own keys. */
  readonly logKeys: () => readonly NoteKey[];
  /** How far a witness was when an earlier run ended. */
  readonly load: (key: NoteKey) => Promise<WitnessCursor | undefined>;
  /** Writes how far witnesses are, and the checkpoint that enough of them have cosigned. */
  readonly save: (cursors: ReadonlyMap<NoteKey, WitnessCursor>, note: string | undefined) => Promise<void>;
}

/** Whether enough witnesses cosign. */
export type QuorumState = "none" | "waiting" | "satisfied" | "missing";

/** How the log is witnessed. */
export interface WitnessingState {
  readonly quorum: QuorumState;
  readonly witnesses: readonly WitnessState[];
}

/**
 * Has the log's checkpoints cosigned by witnesses (C2SP tlog-witness), and keeps the newest that enough of them have
 * cosigned. One checkpoint at a time is submitted to all of them, so that their cosignatures meet; the next one when it
 * has its quorum, or nobody is at it any more. No call waits for any of it.
 */
export class Witnessing {
  readonly #parts: WitnessingParts;
  readonly #witnesses: readonly CheckpointWitness[];
  readonly #stopped = new AbortController();
  readonly #submissions = new Set<Promise<void>>();
  #collection: Collection | undefined;
  /** The newest that has its quorum, until it is written with all cosignatures that it has. */
  #met: Collection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #loading: Promise<void> = Promise.resolve();
  #saving: Promise<void> | undefined;
  /** Whether there is something to be written. */
  #isUnsaved = false;
  /** Whether the last writing failed: said once. */
  #isFailing = false;
  /** Since when the newest checkpoint waits for its quorum, by the clock that never goes back. */
  #waitsSince: number | undefined;
  /** Whether the operator was told that the quorum is missing. */
  #isMissing = false;

  constructor(parts: WitnessingParts) {
    this.#parts = parts;
    this.#witnesses = parts.policy.witnesses.map((witness) => new CheckpointWitness(witness, parts));
  }

  get state(): WitnessingState {
    return { quorum: this.#quorum(), witnesses: this.#witnesses.map(({ state }) => state) };
  }

  /** Shows what an earlier run had cosigned, and begins. */
  start(): void {
    const { checkpoints, policy } = this.#parts;
    checkpoints.useWitnesses(needsWitnesses(policy));
    this.#restore();
    this.#warnOfStrangers();
    this.#loading = this.#load().finally(() => {
      if (!this.#stopped.signal.aborted) {
        this.#timer = setInterval(() => this.look(), PACE_MS);
        this.#timer.unref();
      }
    });
  }

  /** Ends it: nothing is submitted or begun to be written from now on. Waits until what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#timer);
    await this.#loading;
    await Promise.all(this.#submissions);
    await this.#saving;
    for (const witness of this.#witnesses) {
      witness.close();
    }
  }

  /** Submits what is to be submitted now. */
  look(): void {
    const { checkpoints, policy, monotonic } = this.#parts;
    const { latest } = checkpoints;
    if (latest === undefined || this.#stopped.signal.aborted) {
      return;
    }
    const isOver = this.#collection?.isEnough === true || !this.#witnesses.some(({ isBusy }) => isBusy);
    if (this.#collection === undefined || (isOver && latest.size > this.#collection.checkpoint.size)) {
      this.#collection = new Collection(latest, policy, monotonic());
    }
    const collection = this.#collection;
    for (const witness of this.#witnesses) {
      if (witness.isFree && !collection.has(witness.witness.name)) {
        this.#submit(witness, collection);
      }
    }
    if (this.#isUnsaved) {
      this.#save();
    }
    this.#watchQuorum(latest);
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    await this.#loading;
    while (this.#submissions.size > 0 || this.#saving !== undefined) {
      await Promise.all([...this.#submissions, this.#saving]);
    }
  }

  #submit(witness: CheckpointWitness, collection: Collection): void {
    const submission = (async () => {
      const line = await witness.submit(collection.checkpoint, this.#stopped.signal);
      if (line !== undefined) {
        collection.add(witness.witness.name, line);
        if (collection === this.#collection && collection.isEnough) {
          this.#met = collection;
        }
        this.#save();
      }
    })().finally(() => this.#submissions.delete(submission));
    this.#submissions.add(submission);
  }

  /** Writes soon; all that comes meanwhile is written together. */
  #save(): void {
    this.#isUnsaved = true;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = undefined;
    });
  }

  async #write(): Promise<void> {
    const { save, report } = this.#parts;
    while (this.#isUnsaved && !this.#stopped.signal.aborted) {
      this.#isUnsaved = false;
      const met = this.#met;
      this.#met = undefined;
      const cosigned = met && { ...met.checkpoint, note: met.note(), at: this.#parts.clock() };
      const cursors = new Map(
        this.#witnesses.flatMap(({ witness: { key }, cursor }) => (cursor === undefined ? [] : [[key, cursor]])),
      );
      try {
        await save(cursors, cosigned?.note);
        this.#isFailing = false;
      } catch (err) {
        // Tried again at the next look.
        this.#isUnsaved = true;
        this.#met ??= met;
        if (!this.#isFailing) {
          report.error({ err }, "the cosignatures of the audit log's checkpoint cannot be written");
        }
        this.#isFailing = true;
        return;
      }
      if (met !== undefined && cosigned !== undefined) {
        this.#adopt(cosigned, met.begun);
      }
    }
  }

  #adopt(cosigned: SignedCheckpoint, begun: number): void {
    const { checkpoints, report } = this.#parts;
    checkpoints.adoptCosigned(cosigned);
    // Those that were signed meanwhile wait since then at the earliest.
    this.#waitsSince = checkpoints.size > cosigned.size ? begun : undefined;
    if (this.#isMissing) {
      report.info({ size: cosigned.size }, "the quorum of witnesses cosigns the audit log again");
    }
    this.#isMissing = false;
  }

  #watchQuorum(latest: SignedCheckpoint): void {
    const { checkpoints, policy, monotonic, report } = this.#parts;
    const cosigned = checkpoints.cosigned?.size ?? 0;
    if (!needsWitnesses(policy) || latest.size <= cosigned) {
      this.#waitsSince = undefined;
      return;
    }
    this.#waitsSince ??= monotonic();
    if (!this.#isMissing && monotonic() - this.#waitsSince >= MISSING_AFTER_MS) {
      this.#isMissing = true;
      const failing = this.state.witnesses.filter(({ isUp }) => !isUp).map(({ name }) => name);
      report.warn(
        { size: latest.size, cosigned, failing },
        "the quorum of witnesses is missing: too few of them cosign the audit log",
      );
    }
  }

  #quorum(): QuorumState {
    if (!needsWitnesses(this.#parts.policy)) {
      return "none";
    }
    if (this.#isMissing) {
      return "missing";
    }
    return this.#parts.checkpoints.cosigned === undefined ? "waiting" : "satisfied";
  }

  #restore(): void {
    const { policy, checkpoints, logKeys, clock } = this.#parts;
    const { restored } = checkpoints;
    if (restored === undefined || checkpoints.cosigned !== undefined) {
      return;
    }
    try {
      const { witnesses } = openCheckpoint(restored.note, { logs: logKeys(), policy: policy.policy });
      const at = Math.min(clock(), ...witnesses.map(({ timestamp }) => timestamp * 1000));
      checkpoints.adoptCosigned({ ...restored, at });
    } catch (error) {
      if (!(error instanceof CheckpointRefused)) {
        throw error;
      }
      // It was cosigned by another policy's quorum.
    }
  }

  /** A policy is for auditors as well, and names the log for them; here it can only name the wrong one. */
  #warnOfStrangers(): void {
    const { policy, logKeys, report } = this.#parts;
    const own = logKeys();
    const { logs } = policy.policy;
    if (logs.length > 0 && !logs.some(({ key }) => own.some((other) => isSameKey(key, other)))) {
      report.warn({}, "the policy of witnesses names logs, and this vault's audit log is none of them");
    }
  }

  async #load(): Promise<void> {
    for (const witness of this.#witnesses) {
      try {
        const cursor = await this.#parts.load(witness.witness.key);
        if (cursor !== undefined) {
          witness.adopt(cursor);
        }
      } catch (err) {
        // The witness says itself how far it is.
        this.#parts.report.error({ witness: witness.state.name, err }, "how far a witness was cannot be read");
      }
    }
  }
}
