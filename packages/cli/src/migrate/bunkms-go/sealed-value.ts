import { createCipheriv, createDecipheriv } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
export const NONCE_LENGTH = 12;
export const TAG_LENGTH = 16;

/**
 * Opens what the Go server sealed: AES-256-GCM (NIST SP 800-38D), the nonce in front, the tag behind.
 * @returns The content, which the caller zeroes; undefined when it does not open.
 */
export function openValue(key: Uint8Array, sealed: Buffer, aad?: Uint8Array): Buffer | undefined {
  if (sealed.length < NONCE_LENGTH + TAG_LENGTH) {
    return undefined;
  }
  const end = sealed.length - TAG_LENGTH;
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_LENGTH), { authTagLength: TAG_LENGTH });
  if (aad !== undefined) {
    decipher.setAAD(aad);
  }
  decipher.setAuthTag(sealed.subarray(end));
  const content = decipher.update(sealed.subarray(NONCE_LENGTH, end));
  try {
    // Only now is the tag compared: until here the content is whatever somebody wants it to be.
    decipher.final();
    return content;
  } catch {
    content.fill(0);
    return undefined;
  }
}

/** Seals as the Go server does, under a nonce of the caller, who uses none twice under one key. */
export function sealValue(key: Uint8Array, nonce: Uint8Array, content: Uint8Array, aad: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}
