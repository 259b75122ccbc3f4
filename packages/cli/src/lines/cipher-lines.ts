import type { BunkmsClient } from "@bunkms/client";
import { usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT, PAYLOAD_LIMIT } from "../inputs.ts";
import { type Binding, groupLimits, unexpectedAnswer } from "../rewrap/batch.ts";
import type { LineOutcome, LineWork } from "./convert-lines.ts";

/** Which key lines are encrypted with, and how. */
export interface EncryptTarget {
  readonly keyName: string;
  /** The latest when 0. */
  readonly version: number;
  /** The key type's first when empty. */
  readonly algorithm: string;
  readonly binding: Binding;
}

const NEWLINE = 0x0a;
/** Base64 makes four characters of three bytes. */
const RAW_SHARE = 3 / 4;

/** Each line is a plaintext, all its bytes but the newline, and becomes a ciphertext. */
export function encryptingLines(client: BunkmsClient, { binding, ...target }: EncryptTarget): LineWork {
  const limits = groupLimits(binding);
  return {
    what: "the plaintexts",
    limit: {
      bytes: PAYLOAD_LIMIT,
      tooLong: (line) => usage(`line ${line} is larger than 512 KiB`, "Leave --lines out if it is one plaintext."),
    },
    groups: { ...limits, bytes: limits.bytes * RAW_SHARE },
    item: (line) => line,
    async convert(plaintexts) {
      const items = plaintexts.map((value) => ({ data: { case: "plaintextB64" as const, value }, ...binding }));
      const { results } = await client.keyBatch.encryptBatch({ ...target, items });
      return outcomes(plaintexts.length, results, ({ ciphertext }) => Buffer.from(ciphertext));
    },
  };
}

/** Each line is a ciphertext, with blanks around it that do not count, and becomes its plaintext. Empty lines stay. */
export function decryptingLines(client: BunkmsClient, keyName: string, binding: Binding): LineWork {
  return {
    what: "the ciphertexts",
    limit: { bytes: CIPHERTEXT_LIMIT, tooLong: (line) => usage(`line ${line} is longer than a ciphertext can be`) },
    groups: groupLimits(binding),
    item(line) {
      const text = line.toString("latin1").trim();
      return text === "" ? undefined : Buffer.from(text, "latin1");
    },
    async convert(ciphertexts) {
      const items = ciphertexts.map((one) => ({ ciphertext: Buffer.from(one).toString("latin1"), ...binding }));
      const { results } = await client.keyBatch.decryptBatch({ keyName, items });
      return outcomes(ciphertexts.length, results, ({ plaintextB64 }) => plaintextB64);
    },
  };
}

interface Result {
  readonly error?: { readonly code: string; readonly error: string } | undefined;
}

function outcomes<R extends Result>(
  count: number,
  results: readonly R[],
  bytesOf: (result: R) => Uint8Array,
): readonly LineOutcome[] {
  if (results.length !== count) {
    throw unexpectedAnswer();
  }
  return results.map((result) => {
    if (result.error !== undefined) {
      return { kind: "failed", reason: `${result.error.error} (${result.error.code})` };
    }
    const bytes = bytesOf(result);
    return bytes.includes(NEWLINE)
      ? { kind: "failed", reason: "what it holds is not one line: it has a line end" }
      : { kind: "done", bytes };
  });
}
