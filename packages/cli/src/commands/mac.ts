import { contextOf } from "../additional-data.ts";
import { parseBase64 } from "../base64.ts";
import { defineCommand, option, required } from "../command.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { openOut } from "../out-file.ts";
import { printMessage, printVerdict, writeBytes, writeText } from "../output.ts";
import { repeatable } from "../pairs.ts";

const MAC_LIMIT = 1024;

interface MessageOptions extends VersionOptions {
  readonly in?: string;
  readonly context?: readonly string[];
}

const MESSAGE_OPTIONS = () => [
  IN_OPTION(),
  repeatable("--context <name=value>", "With a derived key: what the key is derived for"),
];

/** `bunkms mac` */
export const macCommand = defineCommand<MessageOptions & { readonly out?: string; readonly raw?: boolean }>({
  usage: "mac <key>",
  summary: "Make a message authentication code of standard input or a file",
  details: "Prints the code as one line of base64. Messages have up to 512 KiB. The key's type decides the hash.",
  options: [
    ...MESSAGE_OPTIONS(),
    VERSION_OPTION("The version that makes it; the latest by default"),
    option("--out <file>", "Write to this file, not to standard output"),
    option("--raw", "The code's bytes, not base64"),
  ],
  examples: ["bunkms mac webhooks --in body.json", "bunkms mac webhooks --in body.json --version 1 --out body.mac"],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const request = { name: required(invocation, 0), ...(await readRequest(io, options)) };
    await using file = await openOut(options);
    const answer = await client.keyUse.generateMac(request);
    if (options.json) {
      printMessage(io, answer);
    } else if (options.raw) {
      await writeBytes(io, answer.macB64, file, options);
    } else {
      await writeText(io, Buffer.from(answer.macB64).toString("base64"), file);
    }
    return 0;
  },
});

/** `bunkms verify-mac` */
export const verifyMacCommand = defineCommand<MessageOptions & { readonly macFile: string; readonly raw?: boolean }>({
  usage: "verify-mac <key>",
  summary: "Check a message authentication code of standard input or a file",
  details: 'Prints "valid" and exits with 0, or prints "not valid" and exits with 1.',
  options: [
    option("--mac-file <file>", "The code, as bunkms mac wrote it").makeOptionMandatory(),
    option("--raw", "The file holds the code's bytes, not base64"),
    ...MESSAGE_OPTIONS(),
    VERSION_OPTION("The version that made it; all are tried by default"),
  ],
  examples: ["bunkms verify-mac webhooks --mac-file body.mac --in body.json"],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const mac = await readInput(io, options.macFile, { what: "the code", limit: MAC_LIMIT });
    const answer = await client.keyUse.verifyMac({
      name: required(invocation, 0),
      macB64: options.raw ? mac : parseBase64(mac, "the file of the code", "--raw"),
      ...(await readRequest(io, options)),
    });
    return printVerdict(io, options, answer);
  },
});

async function readRequest(io: Io, options: MessageOptions) {
  return {
    messageB64: await readInput(io, options.in, { what: "the message" }),
    version: options.version ?? 0,
    context: contextOf(options.context),
  };
}
