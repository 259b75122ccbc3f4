import { BunkmsError } from "@bunkms/contract";
import { encodeAdditionalData } from "../crypto/additional-data.ts";

/** The fields of a request that bind a ciphertext to something. */
interface BindingRequest {
  readonly binding:
    | { readonly case: "aad"; readonly value: string }
    | { readonly case: "aadB64"; readonly value: Uint8Array }
    | { readonly case: undefined; readonly value?: undefined };
  readonly context: Readonly<Record<string, string>>;
}

/**
 * The canonical encoding of a request's additional data.
 * @throws BunkmsError `invalid_request` when both kinds are given.
 */
export function additionalData({ binding, context }: BindingRequest): Buffer {
  const hasContext = Object.keys(context).length > 0;
  if (binding.case === undefined) {
    return encodeAdditionalData(hasContext ? { kind: "context", entries: context } : { kind: "none" });
  }
  if (hasContext) {
    throw new BunkmsError("invalid_request", "give either aad or context, not both");
  }
  const bytes = binding.case === "aad" ? Buffer.from(binding.value) : binding.value;
  return encodeAdditionalData({ kind: "raw", bytes });
}
