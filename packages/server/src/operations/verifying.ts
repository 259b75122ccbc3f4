import { BunkmsError } from "@bunkms/contract";
import type { KeyUse } from "./key-use.ts";
import { type ChosenAlgorithm, JOSE, type SignedInput, signatureInput } from "./signature.ts";
import { type Search, tryVersions } from "./versions-tried.ts";

/** What is to be verified. */
interface SignedItem extends SignedInput {
  readonly signatureB64: Uint8Array;
  readonly signatureJose: string;
}

/** How it is to be verified, as requests say it. */
interface VerifyOrder {
  /** The one that signed; 0: any. */
  readonly version: number;
  readonly encoding: string;
}

/**
 * Checks one signature.
 * @throws BunkmsError `invalid_request`, what the algorithm throws, and the reason of the call's ending.
 */
export async function verifyOne(
  use: KeyUse,
  { version, encoding }: VerifyOrder,
  { algorithm, options }: ChosenAlgorithm,
  item: SignedItem,
  search: Search,
): Promise<{ valid: boolean; version: number }> {
  const signature = signatureOf(item, encoding);
  const input = signatureInput(item);
  const found = await tryVersions(use, version, search, async (candidate) =>
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
