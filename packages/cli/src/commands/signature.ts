import { parseBase64 } from "../base64.ts";
import { defineCommand, option, optionWithHints, required } from "../command.ts";
import { usage } from "../failure.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { SIGNATURE_ALGORITHMS, SIGNATURE_ENCODINGS } from "../key-types.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { openOut } from "../out-file.ts";
import { printMessage, printVerdict, writeBytes, writeText } from "../output.ts";

/** The longest, of slh-dsa-shake-256f, has 49,856 bytes; base64 adds a third. */
const SIGNATURE_LIMIT = 96 * 1024;
const CONTEXT_LIMIT = 1024;
/** The encoding that is text. */
const JOSE = "jose";

interface MessageOptions extends VersionOptions {
  readonly in?: string;
  readonly digest?: "hex" | "raw";
  readonly algorithm?: string;
  readonly encoding?: string;
  readonly context?: string;
  readonly contextFile?: string;
}

const MESSAGE_OPTIONS = () => [
  IN_OPTION(),
  option("--digest <form>", "The input is not the message but its digest, in this form").choices(["hex", "raw"]),
  optionWithHints("--algorithm <name>", "In place of the key type's first", SIGNATURE_ALGORITHMS),
  optionWithHints("--encoding <form>", "ECDSA: in place of der; jose prints base64url", SIGNATURE_ENCODINGS),
  option("--context <text>", "The signature's context, where the algorithm has one").conflicts("contextFile"),
  option("--context-file <file>", "This file's bytes as context, at most 255"),
];

/** `bunkms sign` */
export const signCommand = defineCommand<MessageOptions & { readonly out?: string; readonly raw?: boolean }>({
  usage: "sign <key>",
  summary: "Sign standard input or a file",
  details:
    "Prints the signature as one line of base64. The server hashes messages up to 512 KiB; for larger ones, and for those\n" +
    "that it shall not see, give the digest: what sha256sum prints with --digest hex, or its bytes with --digest raw.\n" +
    "Each key type's algorithms, which of them sign digests, and which have a context is in docs/key-types.md.",
  options: [
    ...MESSAGE_OPTIONS(),
    VERSION_OPTION("The version that signs; the latest by default"),
    option("--out <file>", "Write to this file, not to standard output"),
    option("--raw", "The signature's bytes, not base64"),
  ],
  examples: [
    "bunkms sign releases --in app.tar.gz --out app.tar.gz.sig",
    "sha256sum app.tar.gz | bunkms sign releases --digest hex",
    "bunkms sign tokens --encoding jose --in header-and-payload.txt",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const request = { name: required(invocation, 0), ...(await readRequest(io, options)) };
    await using file = await openOut(options);
    const answer = await client.keys.sign(request);
    const text = answer.signatureJose || Buffer.from(answer.signatureB64).toString("base64");
    if (options.json) {
      printMessage(io, answer);
    } else if (options.raw) {
      await writeBytes(io, answer.signatureB64, file, options);
    } else {
      await writeText(io, text, file);
    }
    return 0;
  },
});

interface VerifyOptions extends MessageOptions {
  readonly signatureFile: string;
  readonly raw?: boolean;
}

/** `bunkms verify` */
export const verifyCommand = defineCommand<VerifyOptions>({
  usage: "verify <key>",
  summary: "Check a signature of standard input or a file",
  details: 'Prints "valid" and exits with 0, or prints "not valid" and exits with 1.',
  options: [
    option("--signature-file <file>", "The signature, as bunkms sign wrote it").makeOptionMandatory(),
    option("--raw", "The signature file holds the signature's bytes, not base64"),
    ...MESSAGE_OPTIONS(),
    VERSION_OPTION("The version that signed; all are tried by default"),
  ],
  examples: [
    "bunkms verify releases --signature-file app.tar.gz.sig --in app.tar.gz",
    "sha256sum app.tar.gz | bunkms verify releases --signature-file app.tar.gz.sig --digest hex",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const answer = await client.keys.verify({
      name: required(invocation, 0),
      ...(await readSignature(io, options)),
      ...(await readRequest(io, options)),
    });
    return printVerdict(io, options, answer);
  },
});

/** What the requests for signing and verifying have in common. */
async function readRequest(io: Io, options: MessageOptions) {
  return {
    input: await readMessage(io, options),
    algorithm: options.algorithm ?? "",
    version: options.version ?? 0,
    encoding: options.encoding ?? "",
    contextB64: await readContext(io, options),
  };
}

async function readMessage(io: Io, options: MessageOptions) {
  const what = options.digest === undefined ? "the message" : "the digest";
  const whenTooLarge = 'Hash it here and give the digest: "sha256sum FILE | bunkms … --digest hex".';
  const value = await readInput(io, options.in, { what, whenTooLarge });
  if (options.digest === undefined) {
    return { case: "messageB64", value } as const;
  }
  return { case: "digestB64", value: options.digest === "raw" ? value : parseHexDigest(value) } as const;
}

async function readContext(io: Io, { context = "", contextFile }: MessageOptions): Promise<Uint8Array> {
  return contextFile === undefined
    ? Buffer.from(context)
    : await readInput(io, contextFile, { what: "the context", limit: CONTEXT_LIMIT });
}

async function readSignature(io: Io, { signatureFile, encoding, raw }: VerifyOptions) {
  const input = await readInput(io, signatureFile, { what: "the signature", limit: SIGNATURE_LIMIT });
  if (raw) {
    return { signatureB64: input };
  }
  return encoding === JOSE
    ? { signatureJose: input.toString("latin1").trim() }
    : { signatureB64: parseBase64(input, "the signature file", "--raw") };
}

/** Hexadecimal digits, then whatever follows the first blank, as `sha256sum` prints it. */
function parseHexDigest(input: Buffer): Buffer {
  const digits = /^\s*((?:[0-9A-Fa-f]{2})+)(?:\s|$)/.exec(input.toString("latin1"))?.[1];
  if (digits === undefined) {
    throw usage("the digest is not in hexadecimal", "Give its bytes with --digest raw.");
  }
  return Buffer.from(digits, "hex");
}
