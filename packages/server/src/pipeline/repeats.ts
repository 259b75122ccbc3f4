import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { BunkmsError, Effect, type OperationSpec } from "@bunkms/contract";
import type { CallDone, Idempotency, NamedCall } from "../vault/idempotency.ts";
import { NOTHING, type Plan } from "../vault/plan.ts";
import { mayHoldSecrets } from "./secret-fields.ts";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A call that may be the repetition of one that was carried out. The first one's answer is given again; that it is the same
 * call, is told by its request.
 */
export class Repeat {
  readonly #idempotency: Idempotency;
  readonly #spec: OperationSpec;
  readonly #named: NamedCall;
  readonly #request: Buffer;

  constructor(idempotency: Idempotency, spec: OperationSpec, named: NamedCall, request: Message) {
    this.#idempotency = idempotency;
    this.#spec = spec;
    this.#named = named;
    this.#request = idempotency.digest(spec.action, toBinary(spec.method.input, request as never));
  }

  /** Tells it from every other call: of those with the same name, one is at work at a time. */
  get name(): string {
    return `idempotency/${this.#named.caller}/${this.#named.key}`;
  }

  /**
   * What the first call was answered; undefined when this is the first one.
   * @throws BunkmsError `idempotency_mismatch` when it was for something else; `already_done` when its answer is not kept.
   */
  async answer(now: number): Promise<Message | undefined> {
    const done = await this.#idempotency.find(this.#named, now);
    if (done === undefined) {
      return undefined;
    }
    if (!done.request.equals(this.#request)) {
      throw new BunkmsError("idempotency_mismatch");
    }
    if (done.answer === undefined) {
      throw new BunkmsError("already_done");
    }
    return fromBinary(this.#spec.method.output, done.answer) as Message;
  }

  /** The plan, and with it the record that it was carried out. An answer with secrets is not kept. */
  remembered(plan: Plan<unknown> = NOTHING, response: Message, now: number): Plan<unknown> {
    const { output } = this.#spec.method;
    const answer = mayHoldSecrets(output) ? undefined : toBinary(output, response as never);
    const done: CallDone = { request: this.#request, answer };
    return {
      ...plan,
      changes: [...plan.changes, this.#idempotency.change(this.#named, done, now)],
      committed: (written) => plan.committed(written.slice(0, plan.changes.length)),
    };
  }
}

/**
 * Whether a call can be repeated: it changes something, and its caller gave it a name.
 * @throws BunkmsError `invalid_request` for a name that is none.
 */
export function nameOfCall(key: string | undefined, spec: OperationSpec): string | undefined {
  if (key === undefined || spec.effect !== Effect.MUTATE || spec.anonymous) {
    return undefined;
  }
  if (!KEY.test(key)) {
    throw new BunkmsError("invalid_request", "an idempotency key is 1 to 64 letters, digits, `_` and `-`");
  }
  return key;
}
