import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type TokenRecord, TokenRecordSchema } from "@bunkms/contract/record";
import { macHex } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import { Lru } from "../vault/lru.ts";
import type { Plan } from "../vault/plan.ts";
import type { Change, OpenedRecord, RecordRef, Records } from "../vault/records.ts";
import type { Identity, RoleName } from "./identity.ts";
import { isTokenForm, makeToken } from "./token-format.ts";

/** A token's metadata. */
export interface TokenInfo extends Identity {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970; 0: it does not expire. */
  readonly expiresAt: number;
}

interface StoredToken {
  readonly info: TokenInfo;
  readonly path: string;
  readonly ref: RecordRef;
}

const CACHED = 10_000;
/** So long an expired token is still listed, for whoever wonders why it was refused. */
const LISTED_MS = 86_400_000;
/** So often it is looked for expired ones, which takes a look at all tokens, and so many at most leave in one commit. */
const LOOK_EVERY_MS = 3_600_000;
const REMOVED_AT_ONCE = 256;
/** So many are opened in one turn of the event loop while all are looked at. */
const PAGE = 100;

/**
 * Bearer tokens. The store holds HMAC-SHA-256 of a token under a key of the vault, as the record's path: the look-up
 * compares nothing secret, since what a caller could learn from its timing is about the HMAC, which he cannot choose.
 */
export class Tokens {
  readonly #records: Records;
  readonly #key: KeyObject;
  readonly #cache = new Lru<StoredToken>(CACHED);
  /** Goes up with each revocation, so that what was read before one does not enter the cache after it. */
  #revocations = 0;
  readonly #paths = new WeakMap<TokenInfo, string>();
  /** When nothing was left that expired more than a day before. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(records: Records, key: KeyObject) {
    this.#records = records;
    this.#key = key;
  }

  /** Whether what `authenticate` gave is still what is known of the token: it was not revoked since, nor has it expired. */
  isCurrent(token: TokenInfo, now: number): boolean {
    const path = this.#paths.get(token);
    return path !== undefined && this.#cache.peek(path)?.info === token && isInTime(token, now);
  }

  /** Forgets what was cached. */
  forget(): void {
    this.#revocations += 1;
    this.#cache.clear();
  }

  /**
   * Who holds this token.
   * @throws BunkmsError `unauthenticated`, the same for a malformed, unknown, revoked and expired one.
   */
  async authenticate(token: string | undefined, now: number): Promise<TokenInfo> {
    if (token === undefined || !isTokenForm(token)) {
      throw new BunkmsError("unauthenticated");
    }
    const path = this.#path(token);
    const stored = this.#cache.get(path) ?? (await this.#read(path));
    if (stored === undefined || !isInTime(stored.info, now)) {
      throw new BunkmsError("unauthenticated");
    }
    return stored.info;
  }

  /**
   * Makes a token.
   * @param ttlSeconds 0: it does not expire.
   */
  create(name: string, role: RoleName, ttlSeconds: number, now: number): Plan<TokenInfo & { readonly token: string }> {
    const token = makeToken(role === "root" ? "r" : "s");
    const record = create(TokenRecordSchema, {
      id: randomBytes(16),
      displayName: name,
      role,
      createdAtMs: BigInt(now),
      expiresAtMs: BigInt(ttlSeconds === 0 ? 0 : now + ttlSeconds * 1000),
    });
    const change = {
      table: "token",
      path: this.#path(token),
      payload: toBinary(TokenRecordSchema, record),
      previous: null,
    } as const;
    return { result: { ...tokenInfo(record), token }, changes: [change], committed: () => {}, discard: () => {} };
  }

  /**
   * Revokes a token: when the commit is done it does not open anything any more.
   * @throws BunkmsError `not_found`
   */
  async revoke(id: string): Promise<Plan<TokenInfo>> {
    const stored = await this.#findById(id);
    if (stored === undefined) {
      throw new BunkmsError("not_found", "there is no token of this id");
    }
    const { path, ref } = stored;
    return this.#removal(stored.info, [{ table: "token", path, payload: null, previous: ref }]);
  }

  /**
   * Removes the next tokens that expired more than a day ago; undefined when there are none, as far as is known for an hour. The
   * plan's result is how many.
   */
  async expired(now: number): Promise<Plan<number> | undefined> {
    // A clock that was set back does not keep it from looking.
    if (Math.abs(now - this.#lookedAt) < LOOK_EVERY_MS) {
      return undefined;
    }
    const changes: Change[] = [];
    for await (const { info, path, ref } of this.#all()) {
      if (!isInTime(info, now - LISTED_MS)) {
        changes.push({ table: "token", path, payload: null, previous: ref });
      }
      if (changes.length === REMOVED_AT_ONCE) {
        break;
      }
    }
    if (changes.length === 0) {
      this.#lookedAt = now;
      return undefined;
    }
    return this.#removal(changes.length, changes);
  }

  #removal<T>(result: T, changes: readonly Change[]): Plan<T> {
    return {
      result,
      changes,
      committed: () => {
        this.#revocations += 1;
        for (const { path } of changes) {
          this.#cache.delete(path);
        }
      },
      discard: () => {},
    };
  }

  /** A page of tokens in the order of their ids, those that expired within the last day too. */
  async list(after: string, limit: number): Promise<readonly TokenInfo[]> {
    const tokens: TokenInfo[] = [];
    for await (const { info } of this.#all()) {
      tokens.push(info);
    }
    return tokens
      .filter((token) => token.id > after)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  async #findById(id: string): Promise<StoredToken | undefined> {
    for await (const stored of this.#all()) {
      if (stored.info.id === id) {
        return stored;
      }
    }
    return undefined;
  }

  async *#all(): AsyncIterable<StoredToken> {
    for await (const record of this.#records.all("token", "", PAGE)) {
      yield storedToken(record);
    }
  }

  async #read(path: string): Promise<StoredToken | undefined> {
    const revocations = this.#revocations;
    const record = await this.#records.read("token", path);
    if (record === undefined) {
      return undefined;
    }
    const stored = storedToken(record);
    if (revocations === this.#revocations) {
      this.#cache.set(path, stored);
      this.#paths.set(stored.info, path);
    }
    return stored;
  }

  #path(token: string): string {
    return macHex(this.#key, token);
  }
}

function storedToken({ path, payload, ref }: OpenedRecord): StoredToken {
  return { info: tokenInfo(fromBinary(TokenRecordSchema, payload)), path, ref };
}

function isInTime(token: TokenInfo, now: number): boolean {
  return token.expiresAt === 0 || token.expiresAt > now;
}

function tokenInfo(record: TokenRecord): TokenInfo {
  return {
    id: record.id.toHex(),
    name: record.displayName,
    role: record.role as RoleName,
    createdAt: Number(record.createdAtMs),
    expiresAt: Number(record.expiresAtMs),
  };
}
