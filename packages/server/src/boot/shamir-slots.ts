import { BunkmsError } from "@bunkms/contract";
import { type AgeRecipient, AgeRecipientError, ageEncrypt, parseAgeRecipient } from "../crypto/age.ts";
import { wipe } from "../crypto/kdf.ts";
import { isSharing } from "../crypto/shamir.ts";
import type { IssuedShares, ShareRequest } from "../operations/seal-control.ts";
import { createShamirSet, readShamirParameters, shamirSeal } from "../seal/shamir.ts";
import { encodeShare, type Share, shareText } from "../seal/share.ts";
import type { SlotSeal } from "../vault/root.ts";

/** Of a slot without shares. */
export const NO_SHARES: IssuedShares = Object.freeze({ raw: [], texts: [] });

/**
 * A new set of shares and the seal whose key they share.
 * @throws BunkmsError `invalid_request` that says which number or recipient is wrong.
 */
export async function issueShares(
  cluster: Buffer,
  { shares, threshold, recipients }: ShareRequest,
): Promise<{ readonly seal: SlotSeal; readonly issued: IssuedShares }> {
  if (!isSharing(shares, threshold)) {
    throw new BunkmsError(
      "invalid_request",
      "secret_shares and secret_threshold: give 2 to 255 shares of which 2 or more are needed, or 1 of 1",
    );
  }
  if (recipients.length > 0 && recipients.length !== shares) {
    throw new BunkmsError("invalid_request", "share_recipients: one for each share, or none");
  }
  // All of them before anything is made.
  const readers = recipients.map(readRecipient);
  const set = createShamirSet(cluster, shares, threshold);
  try {
    const seal: SlotSeal = {
      seal: shamirSeal(set.parameters, set.psk),
      parameters: set.parameters,
      psk: set.psk,
    };
    const issued =
      readers.length === 0
        ? { raw: set.shares.map(encodeShare), texts: set.shares.map(shareText) }
        : { raw: [], texts: set.shares.map((share, i) => encrypted(share, readers[i] as AgeRecipient)) };
    return { seal, issued };
  } catch (error) {
    wipe(set.psk);
    throw error;
  } finally {
    wipe(...set.shares.map(({ value }) => value));
  }
}

/** How many shares a slot has, and how many are needed. */
export function shamirCounts(parameters: Buffer): { readonly shares: number; readonly threshold: number } {
  const { shares, threshold } = readShamirParameters(parameters);
  return { shares, threshold };
}

function readRecipient(text: string, at: number): AgeRecipient {
  try {
    return parseAgeRecipient(text);
  } catch (error) {
    if (error instanceof AgeRecipientError) {
      throw new BunkmsError("invalid_request", `share_recipients[${at}]: ${error.message}`);
    }
    throw error;
  }
}

function encrypted(share: Share, recipient: AgeRecipient): string {
  const text = Buffer.from(`${shareText(share)}\n`);
  try {
    return ageEncrypt(recipient, text);
  } finally {
    wipe(text);
  }
}
