/** A stream to read from, with what a terminal adds. */
export interface Input extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean;
  setRawMode?(mode: boolean): unknown;
}

/** A stream to write to. */
export interface Output {
  readonly isTTY?: boolean;
  write(chunk: string | Uint8Array): unknown;
}

/** All that the command line sees of the world around it, so that tests can stand in for it. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): Date;
}
