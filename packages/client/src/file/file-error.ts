/**
 * Why an encrypted file does not open. Codes are stable, texts may change (spec/file.md, "Reading").
 *
 * - `not_an_encrypted_file`: the input does not begin as such a file does.
 * - `unsupported_version`: written in a later version of the format.
 * - `truncated`: the input ends before the file does.
 * - `changed`: something is not as it was written, in the header, in a segment or after the last.
 * - `wrong_key`: the key, or the data key, is not that of the file.
 * - `wrong_additional_data`: the file is bound to other additional data, or to another kind of it.
 */
export type FileCipherErrorCode =
  | "not_an_encrypted_file"
  | "unsupported_version"
  | "truncated"
  | "changed"
  | "wrong_key"
  | "wrong_additional_data";

/** An encrypted file that does not open. What was handed on of it before is not the whole plaintext: throw it away. */
export class FileCipherError extends Error {
  readonly code: FileCipherErrorCode;

  constructor(code: FileCipherErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "FileCipherError";
    this.code = code;
  }
}
