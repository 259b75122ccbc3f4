import { isUtf8 } from "node:buffer";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { messageToJson, printable } from "@bunkms/client";
import { option } from "./command.ts";
import { usage } from "./failure.ts";
import type { Io } from "./io.ts";
import type { OutFile } from "./out-file.ts";

/** Prints lines of text. */
export function printLine(io: Io, text: string): void {
  io.stdout.write(`${printable(text)}\n`);
}

/** Prints a remark for people, which scripts that read the output do not get. */
export function printNote(io: Io, text: string): void {
  io.stderr.write(`${printable(text)}\n`);
}

/** Prints any JSON value. */
export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${harmlessJson(JSON.stringify(value, null, 2))}\n`);
}

/** Prints JSON as somebody else has written it, byte for byte; to a terminal with what it would obey as escapes. */
export function printJsonText(io: Io, json: string): void {
  io.stdout.write(`${io.stdout.isTTY ? harmlessJson(json) : json}\n`);
}

/** JSON may hold these characters as they are, within strings: control characters, and those that reorder what is shown. */
export function harmlessJson(json: string): string {
  return json.replace(/[\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Prints a message of the contract as the API's JSON. */
export function printMessage(io: Io, message: Parameters<typeof messageToJson>[0]): void {
  printJson(io, messageToJson(message));
}

/**
 * Prints whether a signature or a code is valid.
 * @returns The exit code: 0 when it is, else 1.
 */
export function printVerdict(
  io: Io,
  { json }: { readonly json?: boolean },
  answer: Parameters<typeof messageToJson>[0] & { readonly valid: boolean; readonly version: number },
): 0 | 1 {
  if (json) {
    printMessage(io, answer);
  } else {
    printLine(io, answer.valid ? `valid (key version ${answer.version})` : "not valid");
  }
  return answer.valid ? 0 : 1;
}

/** Prints rows under a header, in aligned columns. Prints the header alone when there are no rows. */
export function printTable(io: Io, header: readonly string[], rows: readonly (readonly string[])[]): void {
  // A line end would make a row of its own.
  const cells = [header, ...rows].map((row) => row.map((cell) => printable(cell).replaceAll("\n", "\\n")));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells) {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
    io.stdout.write(`${line.trimEnd()}\n`);
  }
}

/** Prints names with their values, one a line, aligned. */
export function printFields(io: Io, fields: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) {
    io.stdout.write(`${`${printable(name).padEnd(width)}  ${printable(value)}`.trimEnd()}\n`);
  }
}

/** Where bytes go: a file, or standard output. */
export interface BytesOptions {
  readonly out?: string;
  readonly raw?: boolean;
}

/**
 * Writes bytes as they are, to standard output or to the file of `--out`, if that was opened.
 * @throws Failure when they are not text and standard output is a terminal, unless `--raw` is given: such bytes would
 * be obeyed as control sequences.
 */
export async function writeBytes(
  io: Io,
  bytes: Uint8Array,
  file: OutFile | undefined,
  options: Pick<BytesOptions, "raw"> = {},
): Promise<void> {
  if (file !== undefined) {
    await file.write(bytes);
    return;
  }
  refuseHarmful(io, bytes, options);
  io.stdout.write(bytes);
  if (io.stdout.isTTY && bytes.at(-1) !== 0x0a) {
    io.stdout.write("\n");
  }
}

/** @throws Failure when standard output is a terminal that bytes would act on, unless `--raw` is given. */
export function refuseHarmful(io: Io, bytes: Uint8Array, { raw }: BytesOptions): void {
  if (io.stdout.isTTY && !raw && !isHarmlessText(bytes)) {
    throw usage(
      "this is not plain text, and a terminal would act on it",
      "Write it with --out FILE, or insist: --raw.",
    );
  }
}

/** Writes text, and ends it with a newline, to standard output or to the file of `--out`, if that was opened. */
export async function writeText(io: Io, text: string, file: OutFile | undefined): Promise<void> {
  if (file === undefined) {
    printLine(io, text);
  } else {
    await file.write(Buffer.from(`${text}\n`));
  }
}

/** Whether a secret may go to a terminal. */
export interface ShowOptions {
  readonly show?: boolean;
}

/** The declaration of `ShowOptions`. */
export const SHOW_OPTION = () => option("--show", "Print the secret to a terminal, too");

/** @throws Failure when standard output is a terminal, which keeps what it shows, unless `--show` is given. */
export function refuseTerminal(io: Io, { show }: ShowOptions): void {
  if (io.stdout.isTTY && !show) {
    throw usage("a terminal would show the secret, and keep it", "Write it with --out FILE, or insist: --show.");
  }
}

/** A time as RFC 3339 in seconds; empty when there is none. */
export function formatTime(time: Timestamp | undefined): string {
  return time === undefined
    ? ""
    : timestampDate(time)
        .toISOString()
        .replace(/\.\d+Z$/, "Z");
}

function isHarmlessText(bytes: Uint8Array): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return isUtf8(bytes) && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(Buffer.from(bytes).toString());
}
