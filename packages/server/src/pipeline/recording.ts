import { BunkmsError, Effect, Role } from "@bunkms/contract";
import { roleRank } from "../access/identity.ts";
import type { TokenInfo } from "../access/tokens.ts";
import { encodeEntry } from "../audit/entry.ts";
import type { Outcome } from "../operations/operation.ts";
import type { Recorder } from "../operations/seal-control.ts";
import { RevisionConflict } from "../store/store.ts";
import type { Call, Reporter } from "./call.ts";
import type { Custody, OpenVault } from "./custody.ts";
import { ANYBODY, type Progress } from "./progress.ts";
import { Unrecorded } from "./refusal.ts";
import { Strangers } from "./strangers.ts";

/** Whether calls without a token of what the operator opened to everybody are recorded, by action. */
export type PublicActions = ReadonlyMap<string, "recorded" | "unrecorded">;

/** What recording works with. */
interface RecordingParts {
  readonly custody: Custody;
  readonly reporter: Reporter;
  readonly publicActions: PublicActions;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

const TOO_MANY_STRANGERS = "too many calls without a valid token; try again later";

/** Records calls, and refuses what cannot be. */
export class Recording {
  readonly #parts: RecordingParts;
  readonly #strangers: Strangers;

  constructor(parts: RecordingParts) {
    this.#parts = parts;
    const { custody, clock, reporter } = parts;
    this.#strangers = new Strangers({
      record: (entry) => recordOwn(custody, entry),
      clock,
      monotonic: () => performance.now(),
      onFailure: (error) => reporter.failure("", error),
    });
  }

  /** Records what was only counted yet. */
  async close(): Promise<void> {
    await this.#strangers.close();
  }

  /**
   * Refuses what would make a full log grow; it is not recorded for that reason. What can make room is let through to
   * administrators, and sealing as well.
   * @param caller Absent as long as it is not known who calls.
   * @throws Unrecorded
   */
  refuseIfFull(call: Call, vault: OpenVault | undefined, caller?: TokenInfo): void {
    if (vault?.services.auditSpace.isFull !== true || !this.#leavesEntry(call)) {
      return;
    }
    const action = call.operation instanceof BunkmsError ? "" : call.operation.action;
    const isLet = action.startsWith("audit.") || action === "seals.seal";
    // What others are refused, and what they may read of the log, would be recorded as well.
    if (!isLet || (caller !== undefined && roleRank(caller.role) < Role.ADMIN)) {
      throw new Unrecorded(new BunkmsError("audit_full"));
    }
  }

  /**
   * Takes note of a refusal of who needs no token, of whom there may be any number: what they are let do proves itself, by a
   * share. While the vault is sealed there is no log that could be filled.
   * @throws as `noteStranger`
   */
  noteRefusedStranger(call: Call, { caller, vault }: Progress): void {
    if (caller === ANYBODY && vault !== undefined && this.#leavesEntry(call)) {
      this.noteStranger(call);
    }
  }

  /** @throws Unrecorded when there were so many that this one was only counted. */
  noteStranger({ source }: Call): void {
    if (!this.#strangers.note(source)) {
      throw new Unrecorded(new BunkmsError("too_many_requests", TOO_MANY_STRANGERS));
    }
  }

  /** Writes the entry, and the plan's changes with it. @throws RevisionConflict, Unrecorded */
  async record(
    call: Call,
    progress: Progress,
    outcome: string,
    response: Record<string, string>,
    plan?: Outcome<unknown>["plan"],
    recorder: Recorder | undefined = progress.vault?.committer,
  ): Promise<void> {
    const { caller, spec, resource, request } = progress;
    if (!this.#leavesEntry(call)) {
      return;
    }
    const entry = encodeEntry({
      time: this.#parts.clock(),
      requestId: call.requestId,
      ...(caller === undefined || caller === ANYBODY ? {} : { identity: caller }),
      operation: spec?.action ?? "",
      resource,
      outcome,
      source: call.source,
      transport: call.transport,
      request,
      response,
      critical: spec?.critical ?? false,
    });
    if (recorder === undefined) {
      // What reads a sealed vault's metrics leaves room for what tries to open it.
      if (spec?.effect !== Effect.READ) {
        this.#parts.custody.defer(entry, outcome !== "ok");
      }
      return;
    }
    try {
      // Not for strangers: a checkpoint for each would cost more than their refusal.
      const wantsReceipt = call.onReceipt !== undefined && caller !== undefined && caller !== ANYBODY;
      const index = await recorder.submit(entry, plan, wantsReceipt);
      if (wantsReceipt) {
        await this.#giveReceipt(call, progress, index, entry);
      }
    } catch (error) {
      if (error instanceof RevisionConflict) {
        throw error;
      }
      // The vault was sealed meanwhile.
      const refusal =
        error instanceof BunkmsError ? error : new BunkmsError("audit_unavailable", undefined, { cause: error });
      throw new Unrecorded(refusal);
    }
  }

  /** Its call is recorded by now, and answered, whether there is a proof at once or not. */
  async #giveReceipt({ onReceipt, requestId }: Call, progress: Progress, index: number, entry: Buffer): Promise<void> {
    let proof: string | undefined;
    try {
      proof = await progress.vault?.services.auditProofs.receipt(index, entry);
    } catch (error) {
      this.#parts.reporter.failure(requestId, error);
    }
    onReceipt?.({ index, proof });
  }

  /** All calls do, but those that read what anybody may see: as `/health`, it is asked for every second by probes. */
  #leavesEntry({ operation, token }: Call): boolean {
    if (operation instanceof BunkmsError || operation.effect !== Effect.READ) {
      return true;
    }
    // Who watches the log must not make it grow by that, or it would never be watched to its end.
    const watches = token === undefined && this.#parts.publicActions.get(operation.action) === "unrecorded";
    return !operation.anonymous && !watches;
  }
}

/** An entry of the pipeline's own: to the log, or kept while the vault is sealed. */
async function recordOwn(custody: Custody, entry: Buffer): Promise<void> {
  if (custody.current === undefined) {
    custody.defer(entry, true);
  } else {
    await custody.current.committer.submit(entry);
  }
}
