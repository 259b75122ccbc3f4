import { BunkmsError } from "@bunkms/contract";
import type { SignatureAlgorithm, SignatureInput, SignatureOptions } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/key-info.ts";

/** What a request says of how to sign or to verify. */
interface SignatureRequest {
  readonly algorithm: string;
  readonly encoding: string;
  readonly contextB64: Uint8Array;
}

/** What is signed. */
export interface SignedInput {
  readonly input:
    | { readonly case: "messageB64" | "digestB64"; readonly value: Uint8Array }
    | { readonly case: undefined; readonly value?: undefined };
}

/** The algorithm of a request with its options, checked against the key's type. */
export interface ChosenAlgorithm {
  readonly algorithm: SignatureAlgorithm;
  readonly options: SignatureOptions;
}

/** The encoding that gives base64url text besides; its bytes are those of `p1363` (RFC 7518 section 3.4). */
export const JOSE = "jose";

/**
 * The algorithm of a request: one that the key's type has, the first if none is named.
 * @throws BunkmsError `unsupported_algorithm`, `invalid_request`
 */
export function chooseAlgorithm(key: KeyInfo, request: SignatureRequest): ChosenAlgorithm {
  const { signatures = [] } = key.type;
  const { algorithm: name, contextB64: context } = request;
  const algorithm = name === "" ? signatures[0] : signatures.find((candidate) => candidate.name === name);
  if (algorithm === undefined) {
    const known = signatures.map((candidate) => candidate.name).join(", ");
    throw new BunkmsError("unsupported_algorithm", `algorithm: the key supports ${known}`);
  }
  if (context.length > algorithm.contextLength) {
    throw new BunkmsError(
      "invalid_request",
      `context_b64: at most ${algorithm.contextLength} bytes with this algorithm`,
    );
  }
  return { algorithm, options: { context, ...chooseEncoding(algorithm, request.encoding) } };
}

/** The message or digest of a request. */
export function signatureInput({ input }: SignedInput): SignatureInput {
  return { kind: input.case === "digestB64" ? "digest" : "message", bytes: input.value ?? new Uint8Array() };
}

/** A signature as answers have it. */
export function signatureFields(signature: Buffer, { encoding }: Pick<SignatureRequest, "encoding">) {
  return { signatureB64: signature, signatureJose: encoding === JOSE ? signature.toString("base64url") : "" };
}

function chooseEncoding({ encodings }: SignatureAlgorithm, name: string): Pick<SignatureOptions, "encoding"> {
  if (name === "") {
    return {};
  }
  // JOSE's form of an RSA or EdDSA signature is the algorithm's only one.
  const wanted = name === JOSE && !encodings.includes("p1363") ? "raw" : name === JOSE ? "p1363" : name;
  const encoding = encodings.find((candidate) => candidate === wanted);
  if (encoding === undefined) {
    throw new BunkmsError("invalid_request", `encoding: this algorithm has ${[...encodings, JOSE].join(", ")}`);
  }
  return { encoding };
}
