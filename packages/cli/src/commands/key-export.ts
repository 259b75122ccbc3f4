import type { ExportKeyResponse } from "@bunkms/client";
import { defineCommand, type Invocation, option, optionWithHints, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { readInput } from "../inputs.ts";
import { KEY_WRAPS } from "../key-types.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { unwrapRecipe } from "../openssl-recipe.ts";
import { openOut } from "../out-file.ts";
import { printLine, printMessage, printNote } from "../output.ts";
import { parsePublicKey, publicKeyPem } from "../public-key-file.ts";

const PUBLIC_KEY_LIMIT = 16 * 1024;
const ADVICE = {
  invalid_public_key: 'A key pair that can open it: "openssl genrsa -out mine.pem 3072".',
  plaintext_too_long: "Leave --algorithm out.",
};

interface ExportOptions extends VersionOptions {
  readonly to: string;
  readonly algorithm?: string;
  readonly out?: string;
}

/** `bunkms key export` */
export const exportCommand = defineCommand<ExportOptions>({
  usage: "export <name>",
  summary: "Get a key's secret or private key, wrapped under an RSA public key",
  details:
    "Only for keys that were created with --exportable. What comes out opens with the private key that belongs to --to,\n" +
    "anywhere: the command says how openssl does it. Prints one line of base64; --out writes the bytes.",
  options: [
    option("--to <file>", "The RSA public key, PEM or DER (SubjectPublicKeyInfo)").makeOptionMandatory(),
    VERSION_OPTION("The version; the latest by default"),
    optionWithHints("--algorithm <name>", `How it is wrapped; ${KEY_WRAPS[0]} by default`, KEY_WRAPS),
    option("-o, --out <file>", "Write the bytes to this file, readable by its owner only"),
  ],
  examples: ["bunkms key export releases --to mine.pem -o releases.wrapped"],
  async run(invocation) {
    const { io, options } = invocation;
    const given = await readInput(io, options.to, { what: "the public key", limit: PUBLIC_KEY_LIMIT });
    const recipient = parsePublicKey(given);
    const { keyTransfer } = await invocation.connect();
    const request = {
      name: required(invocation, 0),
      version: options.version ?? 0,
      publicKeyPem: publicKeyPem(recipient),
      algorithm: options.algorithm ?? "",
    };
    await using file = await openOut(options);
    const answer = await keyTransfer.exportKey(request).catch((error: unknown) => {
      throw withAdvice(error, ADVICE);
    });
    if (options.json) {
      printMessage(io, answer);
    } else if (file === undefined) {
      printLine(io, Buffer.from(answer.wrappedMaterialB64).toString("base64"));
    } else {
      await file.write(answer.wrappedMaterialB64);
      await tellHowToOpen(invocation, file.path, recipient, answer);
    }
    return 0;
  },
});

async function tellHowToOpen(
  { io }: Invocation<ExportOptions>,
  file: string,
  recipient: Uint8Array,
  { algorithm, format, version, recipientFingerprint }: ExportKeyResponse,
): Promise<void> {
  printNote(
    io,
    `Version ${version} as ${format}, for the key with the fingerprint ${recipientFingerprint}. It opens so:`,
  );
  const modulusBytes = await modulusLength(recipient);
  for (const line of unwrapRecipe({ file, algorithm, format, modulusBytes })) {
    printNote(io, `  ${line}`);
  }
}

async function modulusLength(spki: Uint8Array): Promise<number> {
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("spki", new Uint8Array(spki), algorithm, false, ["encrypt"]);
  const { modulusLength = 0 } = key.algorithm as { readonly modulusLength?: number };
  return Math.ceil(modulusLength / 8);
}
