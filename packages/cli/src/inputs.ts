import { open } from "node:fs/promises";
import { option } from "./command.ts";
import { usage } from "./failure.ts";
import type { Io } from "./io.ts";
import { requirePrivate } from "./private-files.ts";

/** What the server takes as payload: 512 KiB. */
export const PAYLOAD_LIMIT = 512 * 1024;

/** What the server takes as a ciphertext: base64 of 512 KiB and a ciphertext's own overhead. */
export const CIPHERTEXT_LIMIT = 704 * 1024;

/** `--in`, which commands with a payload have. */
export const IN_OPTION = () => option("--in <file>", "Read from this file, not from standard input");

/** `--out` and `--raw`, which commands with an answer in bytes have. */
export const OUT_OPTIONS = () => [
  option("--out <file>", "Write to this file, readable by its owner only, not to standard output"),
  option("--raw", "Write to a terminal even what is not plain text"),
];

/** What is read, and what to do when it is too large. */
export interface InputSpec {
  /** For messages, for example `the plaintext`. */
  readonly what: string;
  /** Bytes; the payload limit by default. */
  readonly limit?: number;
  /** What to do with more. */
  readonly whenTooLarge?: string;
  /** Whether to leave no copy but the one that is returned, which the caller zeroes. */
  readonly secret?: boolean;
  /** Whether a file is refused that others than its owner can read or write. */
  readonly ownerOnly?: boolean;
}

/**
 * Reads a whole file, or standard input when no file is given or the file is `-`. Bytes arrive as they are, a final
 * newline too.
 * @throws Failure when it cannot be read or is larger than the limit.
 */
export async function readInput(io: Io, file: string | undefined, spec: InputSpec): Promise<Buffer> {
  return await readAll(streamInput(io, file, spec.what, spec.ownerOnly), spec);
}

/**
 * A file, or standard input when no file is given or the file is `-`, as its bytes come. Chunks are the receiver's.
 * @param what For who types it, for example `the plaintext`.
 * @param ownerOnly Whether a file is refused that others than its owner can read or write.
 * @throws Failure when it cannot be read.
 */
export async function* streamInput(
  io: Io,
  file: string | undefined,
  what: string,
  ownerOnly = false,
): AsyncGenerator<Uint8Array> {
  if (file === undefined || file === "-") {
    if (io.stdin.isTTY) {
      io.stderr.write(`Type ${what}; end with Ctrl-D on a line of its own.\n`);
    }
    yield* io.stdin;
    return;
  }
  try {
    await using opened = await open(file);
    if (ownerOnly) {
      await requirePrivate(opened, file, 2);
    }
    yield* opened.createReadStream();
  } catch (error) {
    throw fileError(file, error);
  }
}

async function readAll(source: AsyncIterable<Uint8Array>, spec: InputSpec): Promise<Buffer> {
  const limit = spec.limit ?? PAYLOAD_LIMIT;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > limit) {
      throw usage(`${spec.what} is larger than ${limit / 1024} KiB`, spec.whenTooLarge);
    }
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  if (spec.secret) {
    for (const chunk of chunks) {
      chunk.fill(0);
    }
  }
  return whole;
}

/** The failure for a file that cannot be read; any other error as it is. */
export function fileError(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? usage(`cannot read ${file}: ${FILE_ERRORS.get(code) ?? code}`) : error;
}

const FILE_ERRORS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EACCES", "not allowed"],
  ["EISDIR", "it is a folder"],
]);
