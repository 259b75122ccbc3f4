import type { DecapsulateResponse, DeriveSharedSecretResponse } from "@bunkms/client";
import { parseBase64 } from "../base64.ts";
import { defineCommand, type Invocation, option, required } from "../command.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { type OutFile, openOut } from "../out-file.ts";
import { printFields, printLine, printMessage, refuseTerminal, SHOW_OPTION, type ShowOptions } from "../output.ts";
import { parsePublicKey } from "../public-key-file.ts";

const ENCAPSULATION_LIMIT = 8 * 1024;
const PUBLIC_KEY_LIMIT = 16 * 1024;

interface SecretOptions extends VersionOptions, ShowOptions {
  readonly out?: string;
}

const SECRET_OPTIONS = () => [
  option("--out <file>", "Write the secret's bytes to this file, readable by its owner only"),
  SHOW_OPTION(),
];

/** `bunkms encapsulate` */
export const encapsulateCommand = defineCommand<SecretOptions>({
  usage: "encapsulate <key>",
  summary: "Make a shared secret and its encapsulation for the holder of a key (ML-KEM, X-Wing)",
  details:
    "With --out the secret's bytes go to that file, and the encapsulation alone is printed, as one line of base64.\n" +
    "bunkms decapsulate gives the secret back.",
  options: [VERSION_OPTION("The version whose public key is used; the latest by default"), ...SECRET_OPTIONS()],
  examples: ["bunkms encapsulate sessions --out session.key > session.kem"],
  async run(invocation) {
    const { io, options } = invocation;
    checkSecretOutput(invocation);
    const { keyUse } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await keyUse.encapsulate({ name: required(invocation, 0), version: options.version ?? 0 });
    const encapsulation = Buffer.from(answer.encapsulationB64).toString("base64");
    if (options.json) {
      printMessage(io, answer);
    } else if (file === undefined) {
      printFields(io, [
        ["shared_secret_b64", Buffer.from(answer.sharedSecretB64).toString("base64")],
        ["encapsulation_b64", encapsulation],
        ["version", String(answer.version)],
      ]);
    } else {
      await file.write(answer.sharedSecretB64);
      printLine(io, encapsulation);
    }
    return 0;
  },
});

/** `bunkms decapsulate` */
export const decapsulateCommand = defineCommand<SecretOptions & { readonly in?: string; readonly rawIn?: boolean }>({
  usage: "decapsulate <key>",
  summary: "Open an encapsulation from standard input or a file",
  details:
    "Prints the shared secret as one line of base64. A forged encapsulation gives another secret, not an error: FIPS 203\n" +
    "wants it so.",
  options: [
    IN_OPTION(),
    option("--raw-in", "The input is the encapsulation's bytes, not base64"),
    VERSION_OPTION("The version it was made for; the latest by default"),
    ...SECRET_OPTIONS(),
  ],
  examples: ["bunkms decapsulate sessions --in session.kem --out session.key"],
  async run(invocation) {
    const { io, options } = invocation;
    checkSecretOutput(invocation);
    const { keyUse } = await invocation.connect();
    const input = await readInput(io, options.in, { what: "the encapsulation", limit: ENCAPSULATION_LIMIT });
    const request = {
      name: required(invocation, 0),
      encapsulationB64: options.rawIn ? input : parseBase64(input, "the encapsulation", "--raw-in"),
      version: options.version ?? 0,
    };
    await using file = await openOut(options);
    return await putSecret(invocation, await keyUse.decapsulate(request), file);
  },
});

/** `bunkms derive` */
export const deriveCommand = defineCommand<SecretOptions & { readonly peer: string }>({
  usage: "derive <key>",
  summary: "Derive the secret that a key shares with another key pair (ECDH, X25519, X448)",
  details:
    "Prints the raw shared secret as one line of base64. It is not uniform: derive keys from it, by HKDF for example. The\n" +
    "other side derives the same from its private key and this key's public key (bunkms key get NAME --public-key).",
  options: [
    option("--peer <file>", "The other side's public key, PEM or DER (SubjectPublicKeyInfo)").makeOptionMandatory(),
    VERSION_OPTION("The version that is used; the latest by default"),
    ...SECRET_OPTIONS(),
  ],
  examples: ["bunkms derive agreement --peer alice.pem --out shared.bin"],
  async run(invocation) {
    const { io, options } = invocation;
    checkSecretOutput(invocation);
    const { keyUse } = await invocation.connect();
    const peer = await readInput(io, options.peer, { what: "the public key", limit: PUBLIC_KEY_LIMIT });
    const request = {
      name: required(invocation, 0),
      publicKeyB64: parsePublicKey(peer),
      version: options.version ?? 0,
    };
    await using file = await openOut(options);
    return await putSecret(invocation, await keyUse.deriveSharedSecret(request), file);
  },
});

/** Before the secret is made at all. @throws Failure */
function checkSecretOutput({ io, options }: Invocation<SecretOptions>): void {
  if (options.out === undefined) {
    refuseTerminal(io, options);
  }
}

async function putSecret(
  { io, options }: Invocation<SecretOptions>,
  answer: DecapsulateResponse | DeriveSharedSecretResponse,
  file: OutFile | undefined,
): Promise<0> {
  if (options.json) {
    printMessage(io, answer);
  } else if (file === undefined) {
    printLine(io, Buffer.from(answer.sharedSecretB64).toString("base64"));
  } else {
    await file.write(answer.sharedSecretB64);
  }
  return 0;
}
