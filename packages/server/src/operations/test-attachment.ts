import { PART_LENGTH } from "../vault/attachments.ts";

/** A file of two parts, the second of 1,000 bytes, its parts and its SHA-256. */
export const WHOLE = Buffer.alloc(PART_LENGTH + 1000, "an entry of another log\n");
export const PARTS = [WHOLE.subarray(0, PART_LENGTH), WHOLE.subarray(PART_LENGTH)] as const;
export const DIGEST = "59556a1833f3d5e904b4d5feef5543da275d05ca37c95adc812d35acd444fcaa";

/** The request that adds a part. */
export const addRequest = (part: number, data: Uint8Array, name = "old.log") => ({
  name,
  part,
  data_b64: Buffer.from(data).toString("base64"),
});

/** The request that finishes it. */
export const finishRequest = (size = WHOLE.length, sha256 = DIGEST, name = "old.log") => ({ name, size, sha256 });
