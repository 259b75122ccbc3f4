import { create, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { BunkmsError, Effect, type OperationSpec } from "@bunkms/contract";
import type { Authorise } from "../access/authorise.ts";
import type { Credentials } from "../access/credentials.ts";
import type { TokenInfo } from "../access/tokens.ts";
import { CallEnding } from "../operations/call-ending.ts";
import type { CallContext, Outcome, Services } from "../operations/operation.ts";
import type { RegisteredOperation } from "../operations/registry.ts";
import { refuseAborted } from "../operations/time-slice.ts";
import { RevisionConflict } from "../store/store.ts";
import { NOTHING, type Plan } from "../vault/plan.ts";
import { resolveAlias } from "./alias.ts";
import { auditFields, resourceOf } from "./audit-fields.ts";
import type { Call, Reporter } from "./call.ts";
import { firstOverfull, isCertainlyValid, matches } from "./certain-rules.ts";
import type { Custody, OpenVault } from "./custody.ts";
import { ANYBODY, type Progress } from "./progress.ts";
import { type PublicActions, Recording } from "./recording.ts";
import { asRefusal, Unrecorded } from "./refusal.ts";
import { nameOfCall, Repeat } from "./repeats.ts";
import { wipeSecrets } from "./secret-fields.ts";
import { Slots } from "./slots.ts";
import { Turns } from "./turns.ts";

/** What the pipeline works with. */
export interface PipelineParts {
  readonly custody: Custody;
  readonly operations: ReadonlyMap<string, RegisteredOperation>;
  readonly credentials: Credentials;
  readonly authorise: Authorise;
  readonly reporter: Reporter;
  readonly publicActions: PublicActions;
  /** So many calls at most at once. */
  readonly maxInFlight: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** So often a mutation is planned anew when somebody else was faster, which mutations of one resource never are. */
const ATTEMPTS = 3;

/**
 * So many broken rules at most are told: a batch has one for each item, and gRPC's clients refuse an error whose text is longer than some
 * kilobytes, or lose the connection by it.
 */
const TOLD_VIOLATIONS = 10;

/** So many calls without a token at once, in all and from one address: they take no places from those who have one. */
const ANONYMOUS_CALLS = 256;
const ANONYMOUS_CALLS_OF_SOURCE = 32;

/**
 * The one path that every call takes: authenticate, find the operation, parse and validate, authorise, handle, record
 * durably, answer. A refusal at any step is recorded as well. What cannot be recorded is not answered and changes nothing.
 */
export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #validator: Validator = createValidator({ regexMatch: matches });
  readonly #turns = new Turns();
  readonly #slots: Slots;
  readonly #anonymous = new Slots(ANONYMOUS_CALLS, ANONYMOUS_CALLS_OF_SOURCE);
  readonly #recording: Recording;
  #inFlight = 0;
  #open = true;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.maxInFlight);
    this.#recording = new Recording(parts);
  }

  /**
   * Runs a call.
   * @returns The answer, which may leave: its audit entry is on disk. The caller zeroes its secrets once they are sent.
   * @throws BunkmsError, likewise.
   */
  async run(call: Call): Promise<Message> {
    const started = performance.now();
    const progress: Progress = { resource: "", request: {}, leave: () => {} };
    let outcome = "ok";
    this.#inFlight += 1;
    try {
      this.#admit();
      return await this.#step(call, progress);
    } catch (error) {
      const refusal = asRefusal(error);
      outcome = refusal.code;
      if (refusal.cause !== undefined) {
        this.#parts.reporter.failure(call.requestId, refusal.cause);
      }
      throw refusal;
    } finally {
      progress.leave();
      this.#inFlight -= 1;
      this.#parts.reporter.call({
        request_id: call.requestId,
        operation: progress.spec?.action ?? "",
        identity: progress.caller?.id ?? "",
        outcome,
        source: call.source,
        transport: call.transport,
        ms: Math.round((performance.now() - started) * 1000) / 1000,
      });
    }
  }

  /**
   * Takes a place for a call whose request is still to be read, for transports that hold the request meanwhile.
   * @param places Those of the calls themselves, or others.
   * @returns Gives the place back, to be called before the call is run.
   * @throws BunkmsError `unauthenticated`, which is not recorded yet; `too_many_requests`.
   */
  async enter(call: Call, places: Slots = this.#slots): Promise<() => void> {
    try {
      const vault = this.#vaultFor(call);
      return this.#takePlace(await this.#authenticate(call, vault), call, places);
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** Lets no further call in, waits for those under way, and records what was only counted yet. */
  async close(): Promise<void> {
    this.#open = false;
    while (this.#inFlight > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.#recording.close();
    await this.#parts.custody.current?.committer.idle();
  }

  /** Before anything is looked at, so that no load makes the server slower than it can bear; not recorded for that reason. */
  #admit(): void {
    if (!this.#open) {
      throw new Unrecorded(new BunkmsError("shutting_down"));
    }
    if (this.#inFlight > this.#parts.maxInFlight) {
      throw new Unrecorded(new BunkmsError("too_many_requests"));
    }
  }

  #takeSlot(caller: TokenInfo, call: Call): () => void {
    try {
      return this.#takePlace(caller, call, this.#slots);
    } catch (error) {
      throw new Unrecorded(asRefusal(error));
    }
  }

  #takePlace(caller: TokenInfo, call: Call, places: Slots): () => void {
    return caller === ANYBODY ? this.#anonymous.take(call.source) : places.take(caller.id);
  }

  /** The open vault; none for an operation that needs none. @throws Unrecorded when there is none and one is needed. */
  #vaultFor({ operation, token }: Call): OpenVault | undefined {
    const { custody, publicActions } = this.#parts;
    const isOpen = (spec: OperationSpec): boolean =>
      spec.anonymous || (token === undefined && publicActions.has(spec.action));
    if (!(operation instanceof BunkmsError) && isOpen(operation)) {
      return custody.current;
    }
    try {
      return custody.open();
    } catch (error) {
      throw new Unrecorded(asRefusal(error));
    }
  }

  async #step(call: Call, progress: Progress): Promise<Message> {
    try {
      if (!(call.operation instanceof BunkmsError)) {
        progress.spec = call.operation;
      }
      const vault = this.#vaultFor(call);
      this.#recording.refuseIfFull(call, vault);
      progress.vault = vault;
      const caller = await this.#admitCaller(call, vault);
      progress.caller = caller;
      this.#recording.refuseIfFull(call, vault, caller);
      progress.leave = this.#takeSlot(caller, call);
      const spec = findOperation(call);
      const request = await call.readRequest(spec);
      try {
        this.#validate(spec, request);
        // Of the request as it came: an alias may have moved before it comes again.
        const repeat = this.#repeatOf(call, progress, spec, request);
        const alias = await resolveAlias(spec, request, (name) => this.#services(progress).vault.aliases.keyName(name));
        progress.resource = resourceOf(spec, request);
        progress.request = auditFields(spec.auditRequest, request, vault?.auditKey);
        if (alias !== undefined) {
          progress.request["alias"] = alias;
        }
        this.#authorise(caller, spec, progress.resource);
        const carryOut = () => this.#handleAndRecord(call, progress, spec, request, repeat);
        const alone = spec.effect === Effect.MUTATE && progress.resource !== "";
        const inTurn = () => (alone ? this.#turns.run(progress.resource, carryOut) : carryOut());
        return await (repeat === undefined ? inTurn() : this.#turns.run(repeat.name, inTurn));
      } finally {
        wipeSecrets(spec.method.input, request);
      }
    } catch (error) {
      if (!(error instanceof Unrecorded)) {
        this.#recording.noteRefusedStranger(call, progress);
        await this.#recording.record(call, progress, asRefusal(error).code, {});
      }
      throw error;
    }
  }

  /** How a call that can be repeated is known again; undefined for one that cannot. @throws BunkmsError `invalid_request` */
  #repeatOf(call: Call, progress: Progress, spec: OperationSpec, request: Message): Repeat | undefined {
    const key = nameOfCall(call.idempotencyKey, spec);
    if (key === undefined) {
      return undefined;
    }
    const caller = (progress.caller as TokenInfo).id;
    return new Repeat(this.#services(progress).vault.idempotency, spec, { caller, key }, request);
  }

  /** @throws BunkmsError `unauthenticated`; Unrecorded when there were so many of these that this one was only counted. */
  async #admitCaller(call: Call, vault: OpenVault | undefined): Promise<TokenInfo> {
    try {
      return await this.#authenticate(call, vault);
    } catch (error) {
      if (asRefusal(error).code === "unauthenticated") {
        this.#recording.noteStranger(call);
      }
      throw error;
    }
  }

  async #authenticate(call: Call, vault: OpenVault | undefined): Promise<TokenInfo> {
    const { publicActions, credentials, clock } = this.#parts;
    const { token, operation, identity } = call;
    if (identity !== undefined) {
      return identity;
    }
    const lookUp = ({ services }: OpenVault) => credentials.authenticate(services.tokens, token, clock());
    if (operation instanceof BunkmsError || !(operation.anonymous || publicActions.has(operation.action))) {
      return lookUp(vault as OpenVault);
    }
    if (token === undefined || vault === undefined) {
      return ANYBODY;
    }
    if (!operation.anonymous) {
      return lookUp(vault);
    }
    // A token that is none any more must not keep anybody from what needs none.
    return lookUp(vault).catch((error) => {
      if (error instanceof BunkmsError) {
        return ANYBODY;
      }
      throw error;
    });
  }

  #services({ vault }: Progress): Services {
    return vault?.services ?? this.#parts.custody.servicesWhileSealed;
  }

  #validate(spec: OperationSpec, request: Message): void {
    if (isCertainlyValid(spec.method.input, request)) {
      return;
    }
    const tooMuch = firstOverfull(spec.method.input, request);
    if (tooMuch !== undefined) {
      throw new BunkmsError("invalid_request", tooMuch);
    }
    const result = this.#validator.validate(spec.method.input, request as never);
    if (result.kind === "valid") {
      return;
    }
    if (result.kind === "error") {
      throw result.error;
    }
    // A violation names the field and the rule, never a value nor a map's key.
    const texts = result.violations
      .slice(0, TOLD_VIOLATIONS)
      .map(({ field, message }) => `${pathToString(field.filter(({ kind }) => kind !== "map_sub"))}: ${message}`);
    const untold = result.violations.length - texts.length;
    throw new BunkmsError("invalid_request", [...texts, ...(untold > 0 ? [`and ${untold} more`] : [])].join("; "));
  }

  #authorise(caller: TokenInfo, spec: OperationSpec, resource: string): void {
    if (caller !== ANYBODY && !this.#parts.authorise(caller, spec, resource)) {
      throw new BunkmsError("permission_denied");
    }
  }

  async #handleAndRecord(
    call: Call,
    progress: Progress,
    spec: OperationSpec,
    request: Message,
    repeat: Repeat | undefined,
  ): Promise<Message> {
    const { operations, clock } = this.#parts;
    const services = this.#services(progress);
    const { handle } = operations.get(spec.action) as RegisteredOperation;
    const ending = new CallEnding(call.signal, () => isSealed(progress, this.#parts.custody));
    for (let attempt = 1; ; attempt++) {
      refuseAborted(call.signal);
      const caller = await this.#stillAuthenticated(call, progress);
      const own = { caller, source: call.source, now: clock(), secure: call.secure, signal: call.signal, ending };
      const answered = await repeat?.answer(own.now);
      if (answered !== undefined) {
        progress.request["repeated"] = "true";
      }
      // The services as they are: those of a sealed vault refuse when they are reached for.
      const context: CallContext = Object.assign(Object.create(services), own);
      const outcome: Outcome<unknown> =
        answered === undefined ? await handle(context, request as never) : { response: answered };
      let response: Message | undefined;
      try {
        response = create(spec.method.output, outcome.response as never);
        refuseAborted(call.signal);
        const isRemembered = answered === undefined && outcome.recorder === undefined;
        const whole = isRemembered ? repeat?.remembered(outcome.plan, response, own.now) : undefined;
        const plan = this.#whileAuthenticated(call, progress, whole ?? outcome.plan);
        const fields = auditFields(spec.auditResponse, response, progress.vault?.auditKey);
        await this.#recording.record(call, progress, "ok", fields, plan, outcome.recorder);
        return response;
      } catch (error) {
        if (response !== undefined) {
          // What was worked out does not leave.
          wipeSecrets(spec.method.output, response);
        }
        if (!(error instanceof RevisionConflict)) {
          throw error;
        }
        if (attempt === ATTEMPTS) {
          throw new BunkmsError("conflict");
        }
      } finally {
        outcome.plan?.discard();
      }
    }
  }

  /** The caller, looked up again if anything became of his token while the request was read or waited. */
  async #stillAuthenticated(call: Call, progress: Progress): Promise<TokenInfo> {
    const caller = progress.caller as TokenInfo;
    if (this.#isCurrent(call, progress, caller)) {
      return caller;
    }
    progress.caller = await this.#authenticate(call, progress.vault);
    return progress.caller;
  }

  /** The plan, which holds only while its caller's token does: until the very commit that records the call. */
  #whileAuthenticated(call: Call, progress: Progress, plan: Plan<unknown> = NOTHING): Plan<unknown> {
    const caller = progress.caller as TokenInfo;
    if (caller === ANYBODY) {
      return plan;
    }
    return { ...plan, holds: () => this.#isCurrent(call, progress, caller) && (plan.holds?.() ?? true) };
  }

  #isCurrent({ identity }: Call, progress: Progress, caller: TokenInfo): boolean {
    const { credentials, clock } = this.#parts;
    return (
      caller === ANYBODY ||
      caller === identity ||
      credentials.isCurrent(this.#services(progress).tokens, caller, clock())
    );
  }
}

/** Whether the vault is not open any more that was open when the call came. */
function isSealed({ vault }: Progress, custody: Custody): boolean {
  return vault !== undefined && vault !== custody.current;
}

function findOperation(call: Call): OperationSpec {
  if (call.operation instanceof BunkmsError) {
    throw call.operation;
  }
  return call.operation;
}
