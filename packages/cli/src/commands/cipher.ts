import { ADDITIONAL_DATA_OPTIONS, type AdditionalDataOptions, additionalData } from "../additional-data.ts";
import { defineCommand, type Invocation, option, optionWithHints, required } from "../command.ts";
import { usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT, IN_OPTION, OUT_OPTIONS, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { CIPHERS } from "../key-types.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { decryptingLines, encryptingLines } from "../lines/cipher-lines.ts";
import { convertLines, refuseJson } from "../lines/convert-lines.ts";
import { openOut } from "../out-file.ts";
import { type BytesOptions, printMessage, writeBytes, writeText } from "../output.ts";

/** What RSA gives is as long as its modulus; the contract takes so much. */
const BARE_LIMIT = 1024;

const ALGORITHM_OPTION = (description: string) => optionWithHints("--algorithm <name>", description, CIPHERS);

const LINES_OPTION = (description: string) =>
  option("--lines", `${description}; one that fails leaves an empty line, and its number is reported`);

interface EncryptOptions extends AdditionalDataOptions, VersionOptions {
  readonly in?: string;
  readonly out?: string;
  readonly algorithm?: string;
  readonly lines?: boolean;
}

/** `bunkms encrypt` */
export const encryptCommand = defineCommand<EncryptOptions>({
  usage: "encrypt <key>",
  summary: "Encrypt standard input or a file",
  details:
    "Prints the ciphertext as one line of base64, all that decrypting needs. Every byte counts, a final newline too:\n" +
    "printf '%s' gives none where echo does. Up to 512 KiB; larger files are encrypted here (bunkms encrypt-file), and\n" +
    "under RSA keys only what is as short as a key. With --lines it encrypts each line by itself, any number of them.",
  options: [
    IN_OPTION(),
    ...OUT_OPTIONS().slice(0, 1),
    ...ADDITIONAL_DATA_OPTIONS(),
    VERSION_OPTION("The version that encrypts; the latest by default"),
    ALGORITHM_OPTION("RSA: in place of the first"),
    LINES_OPTION("Each line is a plaintext of its own"),
  ],
  examples: [
    "printf '%s' 'attack at dawn' | bunkms encrypt invoices",
    "bunkms encrypt invoices --in invoice.pdf --out invoice.pdf.enc --context tenant=acme",
    "bunkms encrypt invoices --lines --in cards.txt --out cards.enc",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    if (options.lines) {
      return await encryptLines(invocation);
    }
    const client = await invocation.connect();
    const value = await readInput(io, options.in, {
      what: "the plaintext",
      whenTooLarge: 'Encrypt it here: "bunkms encrypt-file --help".',
    });
    const binding = await additionalData(io, options);
    await using file = await openOut(options);
    const answer = await client.keys.encrypt({
      keyName: required(invocation, 0),
      data: { case: "plaintextB64", value },
      version: options.version ?? 0,
      algorithm: options.algorithm ?? "",
      ...binding,
    });
    options.json ? printMessage(io, answer) : await writeText(io, answer.ciphertext, file);
    return 0;
  },
});

async function encryptLines(invocation: Invocation<EncryptOptions>): Promise<0 | 7> {
  const { io, options } = invocation;
  refuseJson(options);
  const target = {
    keyName: required(invocation, 0),
    version: options.version ?? 0,
    algorithm: options.algorithm ?? "",
    binding: await additionalData(io, options),
  };
  const failed = await convertLines(io, options, encryptingLines(await invocation.connect(), target));
  return failed === 0 ? 0 : 7;
}

interface DecryptOptions extends AdditionalDataOptions, BytesOptions, VersionOptions {
  readonly in?: string;
  readonly dataFile?: string;
  readonly algorithm?: string;
  readonly lines?: boolean;
}

/** `bunkms decrypt` */
export const decryptCommand = defineCommand<DecryptOptions>({
  usage: "decrypt <key>",
  summary: "Decrypt a ciphertext from standard input or a file",
  details:
    "Writes the plaintext's bytes as they were encrypted, with nothing added. With --data-file it decrypts what somebody\n" +
    "encrypted elsewhere with an RSA key's public key, by RSA-OAEP. With --lines it decrypts each line by itself, any\n" +
    "number of them.",
  options: [
    IN_OPTION(),
    ...OUT_OPTIONS(),
    ...ADDITIONAL_DATA_OPTIONS(),
    option(
      "--data-file <file>",
      "The bytes that RSA gave elsewhere, in place of a ciphertext; - for standard input",
    ).conflicts("in"),
    ALGORITHM_OPTION("With --data-file: in place of the first"),
    VERSION_OPTION("With --data-file: the version whose public key it was; the latest by default"),
    LINES_OPTION("Each line is a ciphertext of its own").conflicts("dataFile"),
  ],
  examples: [
    "bunkms decrypt invoices --in message.enc",
    "bunkms decrypt invoices --in invoice.pdf.enc --out invoice.pdf --context tenant=acme",
    "bunkms decrypt transport --data-file key.rsa --out key.bin",
    "bunkms decrypt invoices --lines --in cards.enc",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    if (options.dataFile === undefined && (options.algorithm ?? options.version) !== undefined) {
      throw usage("--algorithm and --version go with --data-file: a ciphertext names its own");
    }
    if (options.lines) {
      return await decryptLines(invocation);
    }
    const client = await invocation.connect();
    const request = {
      keyName: required(invocation, 0),
      ...(await readCiphertext(io, options)),
      ...(await additionalData(io, options)),
    };
    await using file = await openOut(options);
    const answer = await client.keys.decrypt(request);
    options.json ? printMessage(io, answer) : await writeBytes(io, answer.plaintextB64, file, options);
    return 0;
  },
});

async function decryptLines(invocation: Invocation<DecryptOptions>): Promise<0 | 7> {
  const { io, options } = invocation;
  refuseJson(options);
  const binding = await additionalData(io, options);
  const work = decryptingLines(await invocation.connect(), required(invocation, 0), binding);
  return (await convertLines(io, options, work)) === 0 ? 0 : 7;
}

async function readCiphertext(io: Io, options: DecryptOptions) {
  if (options.dataFile === undefined) {
    const input = await readInput(io, options.in, { what: "the ciphertext", limit: CIPHERTEXT_LIMIT });
    return { ciphertext: input.toString("latin1").trim() };
  }
  const dataB64 = await readInput(io, options.dataFile, { what: "the data", limit: BARE_LIMIT });
  return { dataB64, algorithm: options.algorithm ?? "", version: options.version ?? 0 };
}
