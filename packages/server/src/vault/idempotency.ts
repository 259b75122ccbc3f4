import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { IdempotencyRecordSchema } from "@bunkms/contract/record";
import { mac, macHex } from "../crypto/kdf.ts";
import type { Change, Records } from "./records.ts";

const TABLE = "idempotency";
/** Milliseconds for which an answer is kept, and in which a day's records are found by one prefix. */
const DAY_MS = 86_400_000;
/** Digits of a day's number, counted from 1970: enough until the year 2243. */
const DAY_DIGITS = 5;
/** So many records at most are removed at once: of the longest answers, they take up 64 MiB. */
const PAGE = 256;

/** A call that its caller named, so that it can be found again. */
export interface NamedCall {
  /** The caller's id and the name that he gave, of which the caller's own are the only ones that he finds. */
  readonly caller: string;
  readonly key: string;
}

/** What a named call did. */
export interface CallDone {
  /** `Idempotency.digest` of its request. */
  readonly request: Buffer;
  /** The answer's bytes; undefined when it is not kept. */
  readonly answer: Uint8Array | undefined;
}

/**
 * What calls that changed something were answered, for a day: a caller who does not know whether his call was carried out
 * repeats it under the same name, and it is not carried out twice. Records are written once, in the commit of the change itself.
 */
export class Idempotency {
  readonly #records: Records;
  readonly #key: KeyObject;
  /** The day on which nothing was left that is too old. */
  #cleanedOn = "";

  constructor(records: Records, key: KeyObject) {
    this.#records = records;
    this.#key = key;
  }

  /** HMAC-SHA-256 of what was asked for. @param request Stays its caller's. */
  digest(action: string, request: Uint8Array): Buffer {
    // In two parts rather than joined: the request may hold a secret, which would have a copy then.
    return mac(this.#key, `request\0${action}\0`, request);
  }

  /** What a call of this name did within the last 24 hours. @throws StoreUnavailable */
  async find(call: NamedCall, now: number): Promise<CallDone | undefined> {
    for (const time of [now, now - DAY_MS]) {
      const record = await this.#records.read(TABLE, this.#path(call, time));
      if (record !== undefined) {
        const { request, answer, kept, createdAtMs } = fromBinary(IdempotencyRecordSchema, record.payload);
        if (now - Number(createdAtMs) < DAY_MS) {
          return { request: Buffer.from(request), answer: kept ? answer : undefined };
        }
      }
    }
    return undefined;
  }

  /** What records it, to be committed with what the call changes: of two at once, one is outdated. */
  change(call: NamedCall, { request, answer }: CallDone, now: number): Change {
    const record = create(IdempotencyRecordSchema, {
      request,
      answer: answer ?? new Uint8Array(),
      kept: answer !== undefined,
      createdAtMs: BigInt(now),
    });
    return {
      table: TABLE,
      path: this.#path(call, now),
      payload: toBinary(IdempotencyRecordSchema, record),
      previous: null,
    };
  }

  /** Removes some of what is too old to be found. @returns Whether there may be more of it. @throws StoreUnavailable */
  async clean(now: number): Promise<boolean> {
    const today = day(now);
    if (this.#cleanedOn === today) {
      return false;
    }
    const isMore = await this.#records.removeBefore(TABLE, day(now - DAY_MS), PAGE);
    if (!isMore) {
      this.#cleanedOn = today;
    }
    return isMore;
  }

  #path({ caller, key }: NamedCall, time: number): string {
    return `${day(time)}/${macHex(this.#key, `call\0${caller}\0${key}`)}`;
  }
}

function day(time: number): string {
  return String(Math.floor(time / DAY_MS)).padStart(DAY_DIGITS, "0");
}
