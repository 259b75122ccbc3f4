import type { BunkmsClient } from "../client.ts";
import { toBase64Url, utf8 } from "../crypto/bytes.ts";
import { BunkmsApiError, RequestError, UnexpectedAnswerError } from "../errors.ts";
import type { CallOptions } from "../options.ts";
import { findJwsAlgorithm, isKeyFor, type JwsAlg } from "./jws-algorithms.ts";

/** Of the client, what a signer calls. */
export type JwsClient = Pick<BunkmsClient, "keys" | "keyTransfer">;

/** What signs, and how. */
export interface JwsSignerOptions {
  readonly keyName: string;
  /** An algorithm of the key's type. */
  readonly alg: JwsAlg;
  /** Milliseconds until it is asked anew which version of the key is the latest; five minutes by default. */
  readonly refreshMs?: number;
}

/** Claims of a JWT, and whatever else is JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A public key as JWK. */
export type PublicJwk = JsonObject & { readonly kty: string; readonly kid: string };

/**
 * Signs JWS and JWT (RFC 7515, RFC 7519) with a key that stays in the server, for what verifies them: `jose` and any other
 * library, with the key's JWK set. (`jose` itself signs only with a key that it has in its hands.)
 */
export interface JwsSigner {
  readonly alg: JwsAlg;
  /**
   * A signed JWT. Its header has `alg`, `kid` and `typ`.
   * @param claims As they are: `exp` and the others are the caller's choice.
   * @param header More of it; not `alg`, and nothing that would change what is signed.
   * @throws RequestError, and what the client throws.
   */
  signJwt(claims: JsonObject, header?: JsonObject, options?: CallOptions): Promise<string>;
  /** A compact JWS of any bytes, at most about 380 KB; a text is UTF-8. Its header has `alg` and `kid`. */
  signCompact(payload: Uint8Array | string, header?: JsonObject, options?: CallOptions): Promise<string>;
  /** The public key of the version that signs now. */
  publicJwk(options?: CallOptions): Promise<PublicJwk>;
}

/** The version that signs, and what verifies it. */
interface SigningVersion {
  readonly version: number;
  readonly jwk: PublicJwk;
  /** On the steady clock. */
  readonly until: number;
}

const DEFAULT_REFRESH_MS = 5 * 60_000;
/** What the header has of its own: who could set them would change what the signature says. */
const RESERVED = ["alg", "crit", "b64"] as const;

/**
 * Makes a signer. It asks the server for the key's latest version and its public key, so that `kid` names the version that
 * signs, and asks again after a while, or when that version signs no more.
 * @throws RequestError for an algorithm that is not known.
 */
export function createJwsSigner(client: JwsClient, options: JwsSignerOptions): JwsSigner {
  const { keyName, alg, refreshMs = DEFAULT_REFRESH_MS } = options;
  const algorithm = findJwsAlgorithm(alg);
  let known: Promise<SigningVersion> | undefined;

  async function ask(callOptions: CallOptions | undefined): Promise<SigningVersion> {
    const until = performance.now() + refreshMs;
    const { version, jwk: text } = await client.keyTransfer.getPublicKey({ name: keyName }, callOptions);
    const jwk = readJwk(text);
    if (!isKeyFor(algorithm, jwk)) {
      throw new RequestError(`the key ${keyName} is not of a type that signs with ${alg}`);
    }
    return { version, jwk, until };
  }

  async function latest(callOptions: CallOptions | undefined): Promise<SigningVersion> {
    const held = await known?.catch(() => undefined);
    if (held !== undefined && performance.now() < held.until) {
      return held;
    }
    known = ask(callOptions);
    return known;
  }

  async function sign(header: JsonObject, payload: string, callOptions: CallOptions | undefined): Promise<string> {
    const { version, jwk } = await latest(callOptions);
    const signed = `${encodeJson({ alg, kid: jwk.kid, ...header })}.${payload}`;
    const { signatureB64 } = await client.keys.sign(
      {
        name: keyName,
        version,
        input: { case: "messageB64", value: utf8(signed) },
        algorithm: algorithm.algorithm,
        encoding: algorithm.encoding ?? "",
      },
      callOptions,
    );
    return `${signed}.${toBase64Url(signatureB64)}`;
  }

  async function signCompact(payload: Uint8Array | string, header: JsonObject = {}, callOptions?: CallOptions) {
    refuseReserved(header);
    const encoded = toBase64Url(typeof payload === "string" ? utf8(payload) : payload);
    try {
      return await sign(header, encoded, callOptions);
    } catch (error) {
      if (!(error instanceof BunkmsApiError && ["wrong_key_state", "unknown_version"].includes(error.code))) {
        throw error;
      }
      // The version was disabled or destroyed since: there may be a newer one.
      known = undefined;
      return sign(header, encoded, callOptions);
    }
  }

  return Object.freeze({
    alg,
    signCompact,
    signJwt: (claims: JsonObject, header: JsonObject = {}, callOptions?: CallOptions) =>
      signCompact(jsonText(claims), { typ: "JWT", ...header }, callOptions),
    publicJwk: async (callOptions?: CallOptions) => (await latest(callOptions)).jwk,
  });
}

function readJwk(text: string): PublicJwk {
  if (text === "") {
    throw new RequestError("the key is of a type that JOSE does not know");
  }
  try {
    return JSON.parse(text) as PublicJwk;
  } catch {
    throw new UnexpectedAnswerError("the server answered with a public key that is not JSON", 200);
  }
}

function refuseReserved(header: JsonObject): void {
  for (const name of RESERVED) {
    if (Object.hasOwn(header, name)) {
      throw new RequestError(`${name} is not for the caller to set in a header`);
    }
  }
}

function encodeJson(value: JsonObject): string {
  return toBase64Url(utf8(jsonText(value)));
}

function jsonText(value: JsonObject): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError("claims and header are JSON objects");
  }
  return JSON.stringify(value);
}
