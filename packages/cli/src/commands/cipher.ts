import { ADDITIONAL_DATA_OPTIONS, type AdditionalDataOptions, additionalData } from "../additional-data.ts";
import { defineCommand, required } from "../command.ts";
import { IN_OPTION, OUT_OPTIONS, readInput } from "../inputs.ts";
import { type BytesOptions, printLine, printMessage, writeBytes, writePrivateFile } from "../output.ts";

/** Base64 of 512 KiB and a ciphertext's own overhead fit. */
const CIPHERTEXT_LIMIT = 704 * 1024;

/** `bunkms encrypt` */
export const encryptCommand = defineCommand<AdditionalDataOptions & { readonly in?: string; readonly out?: string }>({
  usage: "encrypt <key>",
  summary: "Encrypt standard input or a file",
  details:
    "Prints the ciphertext as one line of base64, all that decrypting needs. Every byte counts, a final newline too:\n" +
    "printf '%s' gives none where echo does. Up to 512 KiB; for more, encrypt locally with a data key (bunkms datakey).",
  options: [IN_OPTION(), ...OUT_OPTIONS().slice(0, 1), ...ADDITIONAL_DATA_OPTIONS()],
  examples: [
    "printf '%s' 'attack at dawn' | bunkms encrypt invoices",
    "bunkms encrypt invoices --in invoice.pdf --out invoice.pdf.enc --context tenant=acme",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const value = await readInput(io, options.in, {
      what: "the plaintext",
      whenTooLarge: 'Encrypt it locally with a data key: "bunkms datakey --help".',
    });
    const answer = await client.keys.encrypt({
      keyName: required(invocation, 0),
      data: { case: "plaintextB64", value },
      ...(await additionalData(io, options)),
    });
    if (options.json) {
      printMessage(io, answer);
    } else if (options.out === undefined) {
      printLine(io, answer.ciphertext);
    } else {
      await writePrivateFile(options.out, Buffer.from(`${answer.ciphertext}\n`));
    }
    return 0;
  },
});

/** `bunkms decrypt` */
export const decryptCommand = defineCommand<AdditionalDataOptions & BytesOptions & { readonly in?: string }>({
  usage: "decrypt <key>",
  summary: "Decrypt a ciphertext from standard input or a file",
  details: "Writes the plaintext's bytes as they were encrypted, with nothing added.",
  options: [IN_OPTION(), ...OUT_OPTIONS(), ...ADDITIONAL_DATA_OPTIONS()],
  examples: [
    "bunkms decrypt invoices --in message.enc",
    "bunkms decrypt invoices --in invoice.pdf.enc --out invoice.pdf --context tenant=acme",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    const input = await readInput(io, options.in, { what: "the ciphertext", limit: CIPHERTEXT_LIMIT });
    const answer = await client.keys.decrypt({
      keyName: required(invocation, 0),
      ciphertext: input.toString("latin1").trim(),
      ...(await additionalData(io, options)),
    });
    if (options.json) {
      printMessage(io, answer);
    } else {
      await writeBytes(io, answer.plaintextB64, options);
    }
    return 0;
  },
});
