import { inspect } from "node:util";
import { ConfigError } from "./config-error.ts";
import { readSmallFile } from "./private-file.ts";

const MAX_SECRET_FILE_BYTES = 8192;

/** A secret of the settings, or the file that has it. Whatever prints it prints a placeholder. */
export class HiddenText {
  readonly #read: () => Buffer;

  constructor(read: () => Buffer) {
    this.#read = read;
  }

  /** The bytes, without a line end, from the file as it is now. The caller zeroes them. @throws ConfigError */
  read(): Buffer {
    return this.#read();
  }

  toString(): string {
    return "[hidden]";
  }

  toJSON(): string {
    return "[hidden]";
  }

  [inspect.custom](): string {
    return "[hidden]";
  }
}

/**
 * A secret that lies in a file of its owner's alone. The file is read at once, to see that it can be, and at each use.
 * @param what The setting that names the file, for the error.
 * @throws ConfigError
 */
export function hiddenFile(path: string, what: string): HiddenText {
  const hidden = new HiddenText(() => readSecretFile(path, what));
  hidden.read().fill(0);
  return hidden;
}

function readSecretFile(path: string, what: string): Buffer {
  const { bytes, isPrivate } = readSmallFile(path, what, MAX_SECRET_FILE_BYTES);
  try {
    if (!isPrivate) {
      throw new ConfigError([`${what}: others than its owner can read or change the file; do chmod 600`]);
    }
    const end = bytes.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d) + 1;
    if (end === 0) {
      throw new ConfigError([`${what}: the file is empty`]);
    }
    return Buffer.from(Uint8Array.prototype.slice.call(bytes, 0, end).buffer);
  } finally {
    bytes.fill(0);
  }
}
