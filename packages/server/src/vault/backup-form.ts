import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { HPKE_OVERHEAD, type HpkeRecipient, hpkeOpen, hpkeSeal, recipientOf } from "../crypto/hpke.ts";
import { equal } from "../crypto/kdf.ts";

/** Reads "bkmb" at the start of the base64 text. */
const MAGIC = Buffer.of(0x6e, 0x49, 0x9b);
const FORMAT = 1;
const FINGERPRINT_AT = MAGIC.length + 1;
const HEADER_LENGTH = FINGERPRINT_AT + 32;
const INFO = Buffer.from("bunkms key backup v1");

/** What the form adds to its content, in bytes. */
export const BACKUP_OVERHEAD = HEADER_LENGTH + HPKE_OVERHEAD;

/**
 * Seals a backup (spec/backup.md): magic, format, the recipient's fingerprint, then HPKE of the content, with the header
 * as additional data.
 * @param content Stays its caller's.
 * @throws BunkmsError `invalid_public_key`
 */
export function sealBackup(recipient: HpkeRecipient, content: Uint8Array): Buffer {
  const header = headerFor(recipient);
  return Buffer.concat([header, hpkeSeal(recipient, INFO, header, content)]);
}

/**
 * Opens a backup that was sealed to this seed.
 * @returns The content, which the caller zeroes. Nobody says who sealed it.
 * @throws BunkmsError `decryption_failed` with one text, whatever is wrong.
 */
export function openBackup(seed: KeyObject, backup: Buffer): Buffer {
  const header = backup.subarray(0, HEADER_LENGTH);
  // The recipient's fingerprint is in the header, and no secret: a backup for somebody else costs no decryption.
  const content = equal(header, headerFor(recipientOf(seed)))
    ? hpkeOpen(seed, INFO, header, backup.subarray(HEADER_LENGTH))
    : undefined;
  if (content === undefined) {
    throw unopened();
  }
  return content;
}

/** The text form: standard base64 with padding (RFC 4648 section 4). */
export function encodeBackup(backup: Buffer): string {
  return backup.toString("base64");
}

/** Reads the text form, in its one spelling. @throws BunkmsError `decryption_failed` */
export function decodeBackup(text: string): Buffer {
  // Node's decoder is lenient and never fails, which is why its answer is encoded again.
  const backup = Buffer.from(text, "base64");
  if (backup.toString("base64") !== text) {
    throw unopened();
  }
  return backup;
}

function headerFor({ fingerprint }: HpkeRecipient): Buffer {
  return Buffer.concat([MAGIC, Buffer.of(FORMAT), fingerprint]);
}

const unopened = (): BunkmsError =>
  new BunkmsError("decryption_failed", "the backup cannot be opened: it is damaged, or for another cluster");
