import { BunkmsError } from "@bunkms/contract";
import type { SignatureAlgorithm, SignatureInput } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/keys.ts";

/** What a request says of the thing to sign or verify. */
interface SignatureRequest {
  readonly algorithm: string;
  readonly input:
    | { readonly case: "messageB64" | "digestB64"; readonly value: Uint8Array }
    | { readonly case: undefined; readonly value?: undefined };
}

/**
 * The algorithm of a request: one that the key's type has, the first if none is named.
 * @throws BunkmsError `wrong_key_usage`, `unsupported_algorithm`
 */
export function signatureAlgorithm(key: KeyInfo, { algorithm }: SignatureRequest): SignatureAlgorithm {
  const { signatures = [] } = key.type;
  if (key.purpose !== "sign") {
    throw new BunkmsError("wrong_key_usage", `the key's purpose is ${key.purpose}, not sign`);
  }
  const found = algorithm === "" ? signatures[0] : signatures.find((candidate) => candidate.name === algorithm);
  if (found === undefined) {
    const known = signatures.map((candidate) => candidate.name).join(", ");
    throw new BunkmsError("unsupported_algorithm", `algorithm: the key supports ${known}`);
  }
  return found;
}

/** The message or digest of a request. */
export function signatureInput({ input }: SignatureRequest): SignatureInput {
  return { kind: input.case === "digestB64" ? "digest" : "message", bytes: input.value ?? new Uint8Array() };
}
