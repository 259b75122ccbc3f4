import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { verifyHs256 } from "./compact-jws.ts";
import { derivedId, type RoleName } from "./identity.ts";
import type { TokenInfo } from "./tokens.ts";

/** Which JWTs are taken. */
export interface JwtRules {
  /** Of HS256, 32 bytes or more. */
  readonly key: KeyObject;
  /** Seconds that one may live at most. */
  readonly maxTtl: number;
  /** What `iss` must be; undefined: anything, or nothing. */
  readonly issuer?: string;
  /** What `aud` must be or have; undefined: there must be none. */
  readonly audience?: string;
  /** Parses JSON, and throws for a name that stands twice in an object. */
  readonly parseJson: (bytes: Uint8Array) => unknown;
}

/** So many seconds the clocks of this machine and of the one that signs may differ. */
const CLOCK_SKEW = 30;
/** The last second of the year 9999: what is later is no time. */
const LAST_TIME = 253_402_300_799;

/** Root is none of them: no JWT is ever root. */
const ROLES: readonly RoleName[] = ["admin", "operator", "reader"];

/** Names people can read, and nobody can hide something in: no control, format or unassigned characters. */
const SUBJECT = /^[^\p{C}\p{Zl}\p{Zp}]{1,128}$/u;

type Members = Readonly<Record<string, unknown>>;

/**
 * Callers who prove themselves by a JWT (RFC 7519) signed with HS256, as those of the BunKMS written in Go do. Who calls is its
 * subject with its role: the id is derived from both, and the name begins with `jwt:`, as no token's name does.
 */
export class Jwts {
  readonly #rules: JwtRules;
  readonly #made = new WeakSet<TokenInfo>();

  constructor(rules: JwtRules) {
    this.#rules = rules;
  }

  /**
   * Who signed in with this JWT.
   * @param now Milliseconds since 1970.
   * @throws BunkmsError `unauthenticated`, the same whatever is wrong.
   */
  authenticate(token: string, now: number): TokenInfo {
    const caller = this.#read(token, now);
    if (caller === undefined) {
      throw new BunkmsError("unauthenticated");
    }
    this.#made.add(caller);
    return caller;
  }

  /** Whether a caller's JWT is still in time; undefined for one who came with something else. */
  isCurrent(caller: TokenInfo, now: number): boolean | undefined {
    return this.#made.has(caller) ? isInTime(caller.expiresAt / 1000, now / 1000) : undefined;
  }

  #read(token: string, now: number): TokenInfo | undefined {
    const jws = verifyHs256(token, this.#rules.key);
    const header = jws && this.#members(jws.header);
    const claims = jws && this.#members(jws.payload);
    if (header === undefined || claims === undefined || !isHeader(header) || !this.#isMeant(claims)) {
      return undefined;
    }
    const { sub, role } = claims;
    const times = this.#times(claims, now / 1000);
    const known = ROLES.find((name) => name === role);
    if (typeof sub !== "string" || !SUBJECT.test(sub) || known === undefined || times === undefined) {
      return undefined;
    }
    return { id: derivedId(`bunkms jwt identity\0${known}\0${sub}`), name: `jwt:${sub}`, role: known, ...times };
  }

  #members(bytes: Uint8Array): Members | undefined {
    try {
      const value = this.#rules.parseJson(bytes);
      return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
    } catch {
      return undefined;
    }
  }

  /** RFC 7519 section 4.1.3: one that is for others is refused, also where this server has no name for itself. */
  #isMeant({ iss, aud }: Members): boolean {
    const { issuer, audience } = this.#rules;
    const names = Array.isArray(aud) ? aud : [aud];
    return (
      (issuer === undefined || iss === issuer) &&
      (audience === undefined ? aud === undefined : names.includes(audience))
    );
  }

  #times({ exp, nbf, iat }: Members, now: number): Pick<TokenInfo, "createdAt" | "expiresAt"> | undefined {
    if (!isTime(exp) || !(nbf === undefined || isTime(nbf)) || !(iat === undefined || isTime(iat))) {
      return undefined;
    }
    const isValid =
      isInTime(exp, now) &&
      (nbf ?? 0) <= now + CLOCK_SKEW &&
      (iat ?? 0) <= now + CLOCK_SKEW &&
      exp - (iat ?? now) <= this.#rules.maxTtl &&
      exp - now <= this.#rules.maxTtl + CLOCK_SKEW;
    return isValid ? { createdAt: Math.floor((iat ?? now) * 1000), expiresAt: Math.floor(exp * 1000) } : undefined;
  }
}

/** `alg` and `typ`, and nothing else: no `crit`, and no key or address of one that the token brings itself. */
function isHeader({ alg, typ, ...others }: Members): boolean {
  return alg === "HS256" && (typ === undefined || typ === "JWT") && Object.keys(others).length === 0;
}

/** RFC 7519 section 2, NumericDate. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LAST_TIME;
}

function isInTime(exp: number, now: number): boolean {
  return now < exp + CLOCK_SKEW;
}
