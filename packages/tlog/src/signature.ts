import { type KeyObject, sign, verify } from "node:crypto";
import { isCosignatureType, verifyCosignature } from "./cosignature.ts";
import { formatSignatureLine, type Note, type NoteSignature, requireText } from "./note.ts";
import { ED25519, type NoteKey, publicKeyObject } from "./note-key.ts";

/** A signature by a known key that does not verify, or no signature by a known key at all. */
export class SignatureInvalid extends Error {
  override readonly name = "SignatureInvalid";
}

/** A signature that verified. */
export interface VerifiedSignature {
  readonly key: NoteKey;
  /** Of a cosignature: seconds since 1970. */
  readonly timestamp?: number;
}

/**
 * Signs a note's text with Ed25519 (C2SP signed-note, type 0x01).
 *
 * @param key The verifier's side of the private key: the caller's promise, not checked here.
 * @returns The line of the signature, with its newline.
 * @throws NoteMalformed for a text that no note can have.
 * @throws TypeError when the keys are not of Ed25519.
 */
export function signNote(text: string, key: NoteKey, privateKey: KeyObject): string {
  if (key.type !== ED25519 || privateKey.asymmetricKeyType !== "ed25519") {
    throw new TypeError("notes are signed with Ed25519 keys only");
  }
  return formatSignatureLine(key, sign(null, Buffer.from(requireText(text)), privateKey));
}

/**
 * Verifies the signatures of known keys, whatever their types; those of others are left alone.
 *
 * @returns The keys that signed, each once, in the order of the note's signatures.
 * @throws SignatureInvalid when one of theirs does not verify, or none is there.
 */
export function verifyNote(note: Note, keys: readonly NoteKey[]): readonly NoteKey[] {
  return verifySignatures(note, keys).map(({ key }) => key);
}

/** As {@link verifyNote}, with the timestamps of cosignatures; of several by one key, the latest. */
export function verifySignatures(note: Note, keys: readonly NoteKey[]): readonly VerifiedSignature[] {
  const verified = new Map<NoteKey, VerifiedSignature>();
  for (const signature of note.signatures) {
    // Two known keys of the same name and id are no mistake of the standard's users, but an attack: both must verify.
    for (const key of keys.filter(({ name, id }) => name === signature.name && id.equals(signature.id))) {
      const result = verifySignature(note.text, signature, key);
      if (result === undefined) {
        throw new SignatureInvalid(`the signature of ${key.name} does not verify`);
      }
      if ((verified.get(key)?.timestamp ?? -1) < (result.timestamp ?? 0)) {
        verified.set(key, { key, ...result });
      }
    }
  }
  if (verified.size === 0) {
    throw new SignatureInvalid("the note has no signature of a known key");
  }
  return [...verified.values()];
}

function verifySignature(
  text: string,
  signature: NoteSignature,
  key: NoteKey,
): { readonly timestamp?: number } | undefined {
  if (isCosignatureType(key.type)) {
    return verifyCosignature(text, signature, key);
  }
  return key.type === ED25519 && verify(null, Buffer.from(text), publicKeyObject(key), signature.signature)
    ? {}
    : undefined;
}
