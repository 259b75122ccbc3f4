import { isCompactJws } from "./compact-jws.ts";
import type { Jwts } from "./jwts.ts";
import type { TokenInfo, Tokens } from "./tokens.ts";

/** What callers prove themselves by: the vault's tokens, and JWTs where the operator wants them. */
export class Credentials {
  readonly #jwts: Jwts | undefined;

  /** @param jwts Undefined: none is taken. */
  constructor(jwts?: Jwts) {
    this.#jwts = jwts;
  }

  /**
   * Who calls.
   * @param tokens Of the vault that is open.
   * @param now Milliseconds since 1970.
   * @throws BunkmsError `unauthenticated`
   */
  async authenticate(tokens: Tokens, credential: string | undefined, now: number): Promise<TokenInfo> {
    return this.#jwts !== undefined && isCompactJws(credential)
      ? this.#jwts.authenticate(credential, now)
      : tokens.authenticate(credential, now);
  }

  /** Whether what `authenticate` gave still holds. */
  isCurrent(tokens: Tokens, caller: TokenInfo, now: number): boolean {
    return this.#jwts?.isCurrent(caller, now) ?? tokens.isCurrent(caller, now);
  }
}
