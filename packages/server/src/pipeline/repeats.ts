import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { BunkmsError, Effect, type OperationSpec } from "@bunkms/contract";
import { wipe } from "../crypto/kdf.ts";
import type { CallDone, Idempotency, NamedCall } from "../vault/idempotency.ts";
import { NOTHING, type Plan } from "../vault/plan.ts";
import { mayHoldSecrets } from "./secret-fields.ts";

const KEY = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A longer answer is not kept. That of a key grows with its versions: kept for each rotation it would fill the store, and what is
 * larger than the store's records can be would keep the key from being rotated at all.
 */
const MOST_KEPT_BYTES = 256 * 1024;

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
    const { input } = spec.method;
    const bytes = toBinary(input, withSortedMaps(input, request) as never);
    this.#request = idempotency.digest(spec.action, bytes);
    wipe(bytes);
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

  /** The plan, and with it the record that it was carried out. An answer with secrets is not kept, nor one that is long. */
  remembered(plan: Plan<unknown> = NOTHING, response: Message, now: number): Plan<unknown> {
    const { output } = this.#spec.method;
    const answer = mayHoldSecrets(output) ? undefined : toBinary(output, response as never);
    const isKept = answer !== undefined && answer.length <= MOST_KEPT_BYTES;
    const done: CallDone = { request: this.#request, answer: isKept ? answer : undefined };
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

/**
 * The message with the entries of its own maps in the order of their names. A caller's encoder writes them in any order, often
 * in another one when it repeats the call (Protocol Buffers, "Serialization Is Not Canonical"). The bytes of the rest are shared.
 */
function withSortedMaps({ fields }: DescMessage, message: Message): Message {
  const values = message as unknown as Record<string, unknown>;
  const maps = fields.filter(({ fieldKind }) => fieldKind === "map").map(({ localName }) => localName);
  return Object.assign({}, message, ...maps.map((name) => ({ [name]: sorted(values[name] as object) })));
}

function sorted(map: object): object {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
