import { ADDITIONAL_DATA_OPTIONS, type AdditionalDataOptions, additionalData } from "../additional-data.ts";
import { defineCommand, type Invocation, option, required } from "../command.ts";
import { usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT, IN_OPTION, readInput } from "../inputs.ts";
import { openOut } from "../out-file.ts";
import { printJson, printMessage, printNote, writeText } from "../output.ts";
import { jsonFormat } from "../rewrap/json.ts";
import { LINES } from "../rewrap/lines.ts";
import { rewrapFile } from "../rewrap/rewrap-file.ts";

interface RewrapOptions extends AdditionalDataOptions {
  readonly in?: string;
  readonly out?: string;
  readonly file?: string;
  readonly jsonPath?: string;
  readonly keepGoing?: boolean;
  readonly force?: boolean;
  readonly restart?: boolean;
}

const FILE_ONLY = {
  jsonPath: "--json-path",
  keepGoing: "--keep-going",
  force: "--force",
  restart: "--restart",
} as const;

/** `bunkms rewrap` */
export const rewrapCommand = defineCommand<RewrapOptions>({
  usage: "rewrap <key>",
  summary: "Bring a ciphertext, or a file of them, to the key's latest version",
  details:
    "The server decrypts and encrypts anew, and shows no plaintext. One ciphertext comes from standard input or --in.\n" +
    "With --file it is a file of any size with one ciphertext a line, or JSON with ciphertexts at --json-path; everything\n" +
    "else in it stays as it is, byte for byte. If such a run ends before its end, the same command goes on where it was.",
  options: [
    IN_OPTION().conflicts("file"),
    option("-o, --out <file>", "Write to this file, readable by its owner only"),
    option("--file <file>", "A file of ciphertexts"),
    option("--json-path <path>", "Where they are in JSON or JSON lines, for example .items[].secret"),
    option("--keep-going", "Copy what cannot be rewrapped, and report its line"),
    option("--force", "With --file: replace the output file that is there"),
    option("--restart", "Begin anew, although a run before was interrupted"),
    ...ADDITIONAL_DATA_OPTIONS(),
  ],
  examples: [
    "bunkms rewrap invoices --in message.enc --out message.enc",
    "bunkms rewrap invoices --file tokens.txt -o tokens.new.txt",
    "bunkms rewrap invoices --file dump.jsonl --json-path .customer.iban -o dump.new.jsonl",
  ],
  async run(invocation) {
    return invocation.options.file === undefined
      ? await rewrapOne(invocation)
      : await rewrapMany(invocation, invocation.options.file);
  },
});

async function rewrapOne(invocation: Invocation<RewrapOptions>): Promise<0> {
  const { io, options } = invocation;
  for (const [name, flag] of Object.entries(FILE_ONLY)) {
    if (options[name as keyof typeof FILE_ONLY] !== undefined) {
      throw usage(`${flag} goes with --file`);
    }
  }
  const client = await invocation.connect();
  const input = await readInput(io, options.in, { what: "the ciphertext", limit: CIPHERTEXT_LIMIT });
  const request = {
    name: required(invocation, 0),
    ciphertext: input.toString("latin1").trim(),
    ...(await additionalData(io, options)),
  };
  await using file = await openOut(options);
  const answer = await client.keyUse.rewrap(request);
  options.json ? printMessage(io, answer) : await writeText(io, answer.ciphertext, file);
  return 0;
}

async function rewrapMany(invocation: Invocation<RewrapOptions>, file: string): Promise<0 | 7> {
  const { io, options } = invocation;
  if (file === "-" || options.out === undefined || options.out === "-") {
    throw usage(
      "--file and --out need files, so that an interrupted run can go on",
      "For example: bunkms rewrap KEY --file tokens.txt -o tokens.new.txt",
    );
  }
  const format = options.jsonPath === undefined ? LINES : jsonFormat(options.jsonPath);
  const binding = await additionalData(io, options);
  const { rewrapped, failed } = await rewrapFile(io, await invocation.connect(), {
    input: file,
    output: options.out,
    target: { keyName: required(invocation, 0), binding },
    format,
    formatName: options.jsonPath ?? "",
    force: options.force ?? false,
    restart: options.restart ?? false,
    keepGoing: options.keepGoing ?? false,
  });
  if (options.json) {
    printJson(io, { file: options.out, rewrapped, failed });
  } else {
    printNote(io, `${rewrapped} rewrapped${failed === 0 ? "" : `, ${failed} copied as they were`}.`);
  }
  return failed === 0 ? 0 : 7;
}
