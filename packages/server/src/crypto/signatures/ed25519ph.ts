import { createHash } from "node:crypto";
import type { SignatureAlgorithm, SignatureInput } from "../key-type.ts";
import { check, checkedDigest, make, requireFit } from "./scheme.ts";

const KEYS = { family: "ed25519", slow: false };
const NO_CONTEXT: Uint8Array = new Uint8Array(0);

/** Ed25519ph (RFC 8032 section 5.1): Ed25519 of a message's SHA-512 digest, with a context. */
export const ED25519PH_SIGNATURE: SignatureAlgorithm = Object.freeze<SignatureAlgorithm>({
  name: "ed25519ph",
  hash: "sha512",
  encodings: Object.freeze(["raw"] as const),
  contextLength: 255,
  sign(key, input, options) {
    requireFit(KEYS, key, "private");
    return make(KEYS, { kind: "digest", key, input: digestOf(input), scheme: schemeOf(options?.context) });
  },
  verify(publicKey, input, signature, options) {
    requireFit(KEYS, publicKey, "public");
    const scheme = schemeOf(options?.context);
    return check(KEYS, { kind: "digest", key: publicKey, input: digestOf(input), signature, scheme });
  },
});

const schemeOf = (context = NO_CONTEXT) => ({ hash: "sha512", ed25519ph: context }) as const;

function digestOf({ kind, bytes }: SignatureInput): Uint8Array {
  return kind === "digest" ? checkedDigest("sha512", bytes) : createHash("sha512").update(bytes).digest();
}
