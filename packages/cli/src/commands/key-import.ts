import { type BunkmsClient, type Key, loadKeyWrap } from "@bunkms/client";
import { defineCommand, type Invocation, option, optionWithHints, required } from "../command.ts";
import { refuseExposed, resolveUrl } from "../connection.ts";
import { usage } from "../failure.ts";
import { readInput } from "../inputs.ts";
import { type Material, type MaterialFormat, readMaterial } from "../key-material.ts";
import { printKey } from "../key-output.ts";
import { KEY_WRAPS } from "../key-types.ts";
import { openOut } from "../out-file.ts";
import { formatTime, printMessage, printNote, writeText } from "../output.ts";

/** The largest wrapping key, and the longest material with what AES key wrap adds. */
const WRAPPED_LIMIT = 9 * 1024;

interface PrepareOptions {
  readonly type?: string;
  readonly out?: string;
}

/** `bunkms key prepare-import` */
export const prepareImportCommand = defineCommand<PrepareOptions>({
  usage: "prepare-import <name>",
  summary: "Get the public key under which a key's material is to be wrapped elsewhere",
  details:
    "For material that was made where this command is not; from a file here, bunkms key import brings it in at once.\n" +
    "Prints an RSA public key, PEM. It serves one import within a day, and asking again replaces it. Only for keys that\n" +
    "were created with --imported.",
  options: [
    optionWithHints("--type <type>", "Of the wrapping key; rsa-3072 by default", ["rsa-3072", "rsa-4096"]),
    option("-o, --out <file>", "Write to this file, not to standard output"),
  ],
  examples: ["bunkms key prepare-import mine -o wrapping.pem"],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    const { keyTransfer } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await keyTransfer.prepareKeyImport({ name, wrappingKeyType: options.type ?? "" });
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    await writeText(io, answer.wrappingPublicKeyPem.trimEnd(), file);
    printNote(io, `It serves one import until ${formatTime(answer.expiresAt)}. Wrap the material under it, then:`);
    printNote(io, `  bunkms key import ${name} --wrapped FILE --algorithm ${answer.algorithms[0]} --format FORMAT`);
    return 0;
  },
});

interface ImportOptions {
  readonly material?: string;
  readonly wrapped?: string;
  readonly plain?: boolean;
  readonly algorithm?: (typeof KEY_WRAPS)[number];
  readonly format?: MaterialFormat;
}

/** `bunkms key import` */
export const importCommand = defineCommand<ImportOptions>({
  usage: "import <name>",
  summary: "Bring in key material as a key's next version",
  details:
    "With --material the material is wrapped here, under a key that the server makes for it, so that nothing between sees\n" +
    "it. PKCS #8 can be PEM. With --wrapped it was wrapped elsewhere, under the key of bunkms key prepare-import. Earlier\n" +
    "versions stay as they are. Only for keys that were created with --imported. The file stays: destroy it yourself.",
  options: [
    option("--material <file>", "The material as it is; - for standard input").conflicts("wrapped"),
    option("--wrapped <file>", "The wrapped material's bytes; - for standard input"),
    option("--format <form>", "What the material is; pkcs8 if it is PEM").choices(["raw", "pkcs8"]),
    option("--algorithm <name>", `How it is wrapped; with --material ${KEY_WRAPS[0]} by default`).choices(KEY_WRAPS),
    option(
      "--plain",
      "Send the material unwrapped, over the server's own TLS; needs a permission of its own",
    ).conflicts(["wrapped", "algorithm"]),
  ],
  examples: [
    "bunkms key create mine --type ecdsa-p256 --imported",
    "bunkms key import mine --material key.pem",
    "bunkms key import mine --wrapped key.wrapped --algorithm rsa-aes-key-wrap-sha256 --format pkcs8",
  ],
  async run(invocation) {
    printKey(invocation, await runImport(invocation));
    return 0;
  },
});

async function runImport(invocation: Invocation<ImportOptions>): Promise<Key> {
  const { io, options } = invocation;
  if (options.wrapped !== undefined) {
    return await importWrapped(invocation, options.wrapped);
  }
  if (options.material === undefined) {
    throw usage("nothing was given to import", "Name a file: --material FILE, or --wrapped FILE.");
  }
  const client = await invocation.connect();
  // Before the material is read, let alone sent.
  await requirePrivacy(invocation);
  using material = await readMaterial(io, options.material, options.format);
  return options.plain ? await importPlain(invocation, client, material) : await wrapHere(invocation, client, material);
}

async function importWrapped(invocation: Invocation<ImportOptions>, file: string): Promise<Key> {
  const { algorithm, format } = invocation.options;
  if (algorithm === undefined || format === undefined) {
    throw usage("--wrapped needs --algorithm and --format", 'What they mean: "bunkms key import --help".');
  }
  const { keyTransfer } = await invocation.connect();
  const wrappedMaterialB64 = await readInput(invocation.io, file, {
    what: "the wrapped material",
    limit: WRAPPED_LIMIT,
  });
  return await keyTransfer.importKey({ name: required(invocation, 0), wrappedMaterialB64, algorithm, format });
}

async function wrapHere(
  invocation: Invocation<ImportOptions>,
  { keyTransfer }: BunkmsClient,
  { bytes, format }: Material,
): Promise<Key> {
  const name = required(invocation, 0);
  const algorithm = invocation.options.algorithm ?? KEY_WRAPS[0];
  const [{ wrapMaterial }, { wrappingPublicKeyPem }] = await Promise.all([
    loadKeyWrap(),
    keyTransfer.prepareKeyImport({ name }),
  ]);
  const wrappedMaterialB64 = wrapMaterial(wrappingPublicKeyPem, algorithm, bytes);
  return await keyTransfer.importKey({ name, wrappedMaterialB64, algorithm, format });
}

async function importPlain(
  invocation: Invocation<ImportOptions>,
  { keyTransfer }: BunkmsClient,
  { bytes, format }: Material,
): Promise<Key> {
  // The request's JSON holds it in strings, which nobody can zero: one more reason to prefer the other way.
  return await keyTransfer.importPlainKey({ name: required(invocation, 0), materialB64: bytes, format });
}

/** @throws Failure when who is on the way could read the material, or give a wrapping key of his own. */
async function requirePrivacy({ io, options }: Invocation<ImportOptions>): Promise<void> {
  const url = await resolveUrl(io, options);
  if (options.plain && new URL(url).protocol !== "https:") {
    throw usage("--plain goes over TLS only", "Use an https:// address, or leave --plain out.");
  }
  refuseExposed(url, "somebody could give a wrapping key of his own, and open the material");
}
