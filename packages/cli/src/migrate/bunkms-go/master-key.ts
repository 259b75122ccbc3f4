import { decodeSecretBase64 } from "../../base64.ts";
import { usage } from "../../failure.ts";
import { readInput } from "../../inputs.ts";
import type { Io } from "../../io.ts";
import { promptHidden } from "../../prompt.ts";
import { StoreError } from "./store-error.ts";

const KEY_LENGTH = 32;
const KEY_LIMIT = 1024;
const ENVIRONMENT = "BUNKMS_MASTER_KEY";
const PREFIX = Buffer.from("base64:");
const HEX = /^(?:[0-9a-fA-F]{2})+$/;
const BASE64 = /^[A-Za-z0-9+/]{43,}={0,2}$/;

/** Where the Go server's master key comes from. */
export interface MasterKeyOptions {
  /** A file, `env:NAME`, or `-` for standard input. */
  readonly masterKey?: string;
  readonly masterKeyFile?: string;
}

/**
 * Reads the Go server's master key, which the caller zeroes.
 * @throws Failure when it is given on the command line itself or in a file that is open to others, or there is none; StoreError
 * `invalid_master_key`.
 */
export async function readMasterKey(io: Io, options: MasterKeyOptions): Promise<Buffer> {
  const text = await readText(io, options);
  try {
    return parseMasterKey(text);
  } finally {
    text.fill(0);
  }
}

async function readText(io: Io, { masterKey, masterKeyFile }: MasterKeyOptions): Promise<Buffer> {
  if (masterKey !== undefined && masterKeyFile !== undefined) {
    throw usage("give --master-key or --master-key-file, not both");
  }
  if (masterKey?.startsWith("env:")) {
    return fromEnvironment(io, masterKey.slice("env:".length));
  }
  const file = masterKeyFile ?? masterKey;
  if (file !== undefined) {
    refuseLiteral(file);
    return readInput(io, file, { what: "the master key", limit: KEY_LIMIT, secret: true, ownerOnly: true });
  }
  if (io.env[ENVIRONMENT]) {
    return fromEnvironment(io, ENVIRONMENT);
  }
  if (!io.stdin.isTTY) {
    throw usage("the Go server's master key is needed", `Give it with --master-key-file FILE, or in ${ENVIRONMENT}.`);
  }
  const [typed] = await promptHidden(io, ["Master key of the Go server (hidden): "]);
  return typed as Buffer;
}

function fromEnvironment(io: Io, name: string): Buffer {
  const value = io.env[name];
  if (!value) {
    throw usage(`the environment has no ${name}`);
  }
  return Buffer.from(value);
}

/** @throws Failure that does not repeat it. */
function refuseLiteral(file: string): void {
  if (file.startsWith("base64:") || HEX.test(file) || BASE64.test(file)) {
    throw usage(
      "this looks like the master key itself, where a file's name is meant: every user of a machine sees its command lines, and " +
        "shells keep them",
      "Take it out of the shell's history. Give a file, env:NAME, or - for standard input.",
    );
  }
}

/**
 * The forms that the Go server takes: `base64:` and base64, hexadecimal, base64 alone, or 32 characters as they are, with
 * blanks around them cut off.
 */
function parseMasterKey(given: Buffer): Buffer {
  const text = trim(given);
  const characters = text.toString("latin1");
  const decoded = text.subarray(0, PREFIX.length).equals(PREFIX)
    ? decodeSecretBase64(text.subarray(PREFIX.length))
    : HEX.test(characters)
      ? Buffer.from(characters, "hex")
      : BASE64.test(characters) && text.length >= 44
        ? decodeSecretBase64(text)
        : undefined;
  const isPlain = decoded?.length !== KEY_LENGTH && text.length === KEY_LENGTH && !HEX.test(characters);
  const key = isPlain ? Buffer.from(text) : decoded;
  if (key?.length !== KEY_LENGTH) {
    key?.fill(0);
    throw new StoreError("invalid_master_key", "the master key is not one that the Go server takes: 32 bytes");
  }
  return key;
}

function trim(text: Buffer): Buffer {
  const isBlank = (at: number): boolean => [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20].includes(text[at] as number);
  let [begin, end] = [0, text.length];
  while (begin < end && isBlank(begin)) {
    begin += 1;
  }
  while (end > begin && isBlank(end - 1)) {
    end -= 1;
  }
  return text.subarray(begin, end);
}
