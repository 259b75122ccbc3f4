import { BunkmsError } from "@bunkms/contract";
import type { KeyUse } from "./key-use.ts";
import { type ChosenAlgorithm, JOSE, type SignedInput, signatureInput } from "./signature.ts";
import { tryVersions } from "./versions-tried.ts";

/** What is to be verified. */
interface SignedItem extends SignedInput {
  readonly signatureB64: Uint8Array;
  readonly signatureJose: string;
}

/**
 * Checks one signature.
 * @param version The one that signed; 0: any.
 * @throws BunkmsError `invalid_request`, and what the algorithm throws.
 */
export async function verifyOne(
  use: KeyUse,
  version: number,
  { algorithm, options }: ChosenAlgorithm,
  item: SignedItem,
  encoding: string,
): Promise<{ valid: boolean; version: number }> {
  const signature = signatureOf(item, encoding);
  const input = signatureInput(item);
  const found = await tryVersions(use, version, async (candidate) =>
    algorithm.verify(await use.publicKey(candidate), input, signature, options),
  );
  return { valid: found !== 0, version: found };
}

function signatureOf({ signatureB64, signatureJose }: SignedItem, encoding: string): Uint8Array {
  if ((signatureB64.length === 0) === (signatureJose === "")) {
    throw new BunkmsError("invalid_request", "give either signature_b64 or signature_jose");
  }
  if (signatureJose === "") {
    return signatureB64;
  }
  if (encoding !== JOSE) {
    throw new BunkmsError("invalid_request", `signature_jose: is of the encoding ${JOSE}; name it`);
  }
  const bytes = Buffer.from(signatureJose, "base64url");
  // Node's decoder is lenient: what it does not give back is not the one text of these bytes.
  return bytes.toString("base64url") === signatureJose ? bytes : new Uint8Array();
}
