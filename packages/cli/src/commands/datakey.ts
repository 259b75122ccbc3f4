import { ADDITIONAL_DATA_OPTIONS, type AdditionalDataOptions, additionalData } from "../additional-data.ts";
import { defineCommand, option, optionWithHints, required } from "../command.ts";
import { openOut } from "../out-file.ts";
import { printFields, printLine, printMessage, refuseTerminal, SHOW_OPTION, type ShowOptions } from "../output.ts";
import { parseCount } from "../pages.ts";

interface DataKeyOptions extends AdditionalDataOptions, ShowOptions {
  readonly bytes?: number;
  readonly wrappedOnly?: boolean;
  readonly out?: string;
}

/** `bunkms datakey` */
export const dataKeyCommand = defineCommand<DataKeyOptions>({
  usage: "datakey <key>",
  summary: "Make a data key for envelope encryption",
  details:
    "The data key comes in plaintext, to use and forget, and wrapped, to keep beside the data. bunkms decrypt gives the\n" +
    "plaintext back. With --out the plaintext's bytes go to that file, and the wrapped data key alone is printed.",
  options: [
    optionWithHints("--bytes <count>", "Length; 32 by default", ["16", "32", "64"]).argParser(parseCount),
    option("--wrapped-only", "Do not get the plaintext at all").conflicts("out"),
    option("--out <file>", "Write the plaintext's bytes to this file, readable by its owner only"),
    SHOW_OPTION(),
    ...ADDITIONAL_DATA_OPTIONS(),
  ],
  examples: [
    "bunkms datakey invoices --out data.key > data.key.wrapped",
    "bunkms datakey invoices --wrapped-only",
    "bunkms decrypt invoices --in data.key.wrapped --out data.key",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    if (!options.wrappedOnly && options.out === undefined) {
      refuseTerminal(io, options);
    }
    const client = await invocation.connect();
    const request = {
      name: required(invocation, 0),
      bytes: options.bytes ?? 0,
      ...(await additionalData(io, options)),
    };
    if (options.wrappedOnly) {
      const wrapped = await client.keys.generateWrappedDataKey(request);
      options.json ? printMessage(io, wrapped) : printLine(io, wrapped.ciphertext);
      return 0;
    }
    await using file = await openOut(options);
    const answer = await client.keys.generateDataKey(request);
    if (options.json) {
      printMessage(io, answer);
    } else if (file === undefined) {
      printFields(io, [
        ["plaintext_b64", Buffer.from(answer.plaintextB64).toString("base64")],
        ["ciphertext", answer.ciphertext],
        ["version", String(answer.version)],
      ]);
    } else {
      await file.write(answer.plaintextB64);
      printLine(io, answer.ciphertext);
    }
    return 0;
  },
});
