import { defineCommand, option, optionWithHints, required } from "../command.ts";
import { usage } from "../failure.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { printLine, printMessage, writeBytes, writePrivateFile } from "../output.ts";
import { parseCount } from "../pages.ts";

const ALGORITHMS = [
  "rsa-pss-sha256",
  "rsa-pss-sha384",
  "rsa-pss-sha512",
  "rsa-pkcs1-sha256",
  "rsa-pkcs1-sha384",
  "rsa-pkcs1-sha512",
  "ecdsa-sha256",
  "ecdsa-sha384",
];
const SIGNATURE_LIMIT = 4 * 1024;

interface MessageOptions {
  readonly in?: string;
  readonly digest?: "hex" | "raw";
  readonly algorithm?: string;
}

const MESSAGE_OPTIONS = () => [
  IN_OPTION(),
  option("--digest <form>", "The input is not the message but its digest, in this form").choices(["hex", "raw"]),
  optionWithHints("--algorithm <name>", "In place of the key type's default", ALGORITHMS),
];

/** `bunkms sign` */
export const signCommand = defineCommand<MessageOptions & { readonly out?: string; readonly raw?: boolean }>({
  usage: "sign <key>",
  summary: "Sign standard input or a file",
  details:
    "Prints the signature as one line of base64. The server hashes messages up to 512 KiB; for larger ones, and for those\n" +
    "that it shall not see, give the digest: what sha256sum prints with --digest hex, or its bytes with --digest raw.\n" +
    "Default algorithms: rsa-pss-sha256, and ecdsa-sha256 or ecdsa-sha384 by the curve. ECDSA signatures are ASN.1 DER.",
  options: [
    ...MESSAGE_OPTIONS(),
    option("--out <file>", "Write to this file, not to standard output"),
    option("--raw", "The signature's bytes, not base64"),
  ],
  examples: [
    "bunkms sign releases --in app.tar.gz --out app.tar.gz.sig",
    "sha256sum app.tar.gz | bunkms sign releases --digest hex",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const answer = await client.keys.sign({
      name: required(invocation, 0),
      input: await readMessage(io, options),
      algorithm: options.algorithm ?? "",
    });
    const text = Buffer.from(answer.signatureB64).toString("base64");
    if (options.json) {
      printMessage(io, answer);
    } else if (options.raw) {
      await writeBytes(io, answer.signatureB64, options);
    } else if (options.out === undefined) {
      printLine(io, text);
    } else {
      await writePrivateFile(options.out, Buffer.from(`${text}\n`));
    }
    return 0;
  },
});

interface VerifyOptions extends MessageOptions {
  readonly signatureFile: string;
  readonly raw?: boolean;
  readonly keyVersion?: number;
}

/** `bunkms verify` */
export const verifyCommand = defineCommand<VerifyOptions>({
  usage: "verify <key>",
  summary: "Check a signature of standard input or a file",
  details: 'Prints "valid" and exits with 0, or prints "not valid" and exits with 1.',
  options: [
    option("--signature-file <file>", "The signature, as bunkms sign wrote it").makeOptionMandatory(),
    option("--raw", "The signature file holds the signature's bytes, not base64"),
    option("--key-version <number>", "The version that signed; all are tried by default").argParser(parseCount),
    ...MESSAGE_OPTIONS(),
  ],
  examples: [
    "bunkms verify releases --signature-file app.tar.gz.sig --in app.tar.gz",
    "sha256sum app.tar.gz | bunkms verify releases --signature-file app.tar.gz.sig --digest hex",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const signature = await readInput(io, options.signatureFile, { what: "the signature", limit: SIGNATURE_LIMIT });
    const answer = await client.keys.verify({
      name: required(invocation, 0),
      input: await readMessage(io, options),
      signatureB64: options.raw ? signature : parseBase64(signature),
      algorithm: options.algorithm ?? "",
      version: options.keyVersion ?? 0,
    });
    if (options.json) {
      printMessage(io, answer);
    } else {
      printLine(io, answer.valid ? `valid (key version ${answer.version})` : "not valid");
    }
    return answer.valid ? 0 : 1;
  },
});

async function readMessage(io: Io, options: MessageOptions) {
  const what = options.digest === undefined ? "the message" : "the digest";
  const whenTooLarge = 'Hash it here and give the digest: "sha256sum FILE | bunkms … --digest hex".';
  const value = await readInput(io, options.in, { what, whenTooLarge });
  if (options.digest === undefined) {
    return { case: "messageB64", value } as const;
  }
  return { case: "digestB64", value: options.digest === "raw" ? value : parseHexDigest(value) } as const;
}

/** Hexadecimal digits, then whatever follows the first blank, as `sha256sum` prints it. */
function parseHexDigest(input: Buffer): Buffer {
  const digits = /^\s*((?:[0-9A-Fa-f]{2})+)(?:\s|$)/.exec(input.toString("latin1"))?.[1];
  if (digits === undefined) {
    throw usage("the digest is not in hexadecimal", "Give its bytes with --digest raw.");
  }
  return Buffer.from(digits, "hex");
}

function parseBase64(input: Buffer): Buffer {
  const text = input.toString("latin1").trim();
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== text) {
    throw usage("the signature file does not hold base64", "If it holds the signature's bytes, add --raw.");
  }
  return bytes;
}
