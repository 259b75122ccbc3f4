import type { GetPublicKeyResponse } from "@bunkms/client";
import { defineCommand, option, required } from "../command.ts";
import { usage } from "../failure.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";
import { openOut } from "../out-file.ts";
import { printMessage, writeBytes, writeText } from "../output.ts";

interface PublicOptions extends VersionOptions {
  readonly form: "pem" | "der" | "jwk" | "ssh";
  readonly out?: string;
}

/** `bunkms key public` */
export const publicCommand = defineCommand<PublicOptions>({
  usage: "public <name>",
  summary: "Print the public key of a key pair",
  details:
    "pem and der are SubjectPublicKeyInfo; jwk is one line of JSON, whose kid is the thumbprint; ssh is a line for\n" +
    "authorized_keys. Not every type has the last two.",
  options: [
    VERSION_OPTION("The version; the latest by default"),
    option("--form <form>", "In which form").choices(["pem", "der", "jwk", "ssh"]).default("pem"),
    option("-o, --out <file>", "Write to this file, not to standard output"),
  ],
  examples: [
    "bunkms key public releases > releases.pem",
    "bunkms key public releases --version 1 --form der -o releases.der",
    "bunkms key public deploy --form ssh >> authorized_keys",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const name = required(invocation, 0);
    const { keyTransfer } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await keyTransfer.getPublicKey({ name, version: options.version ?? 0 });
    if (options.json) {
      printMessage(io, answer);
    } else if (options.form === "der") {
      await writeBytes(io, answer.derB64, file);
    } else {
      await writeText(io, textOf(answer, options.form, name), file);
    }
    return 0;
  },
});

/** `bunkms key jwks` */
export const jwksCommand = defineCommand<{ readonly out?: string }>({
  usage: "jwks <name>",
  summary: "Print the public keys of all versions in use as a JWK set",
  details:
    "For who verifies: it holds the versions that are enabled and not below the oldest to decrypt, and none while the key\n" +
    "itself is not enabled. The server has the same at /v1/keys/NAME/jwks.json.",
  options: [option("-o, --out <file>", "Write to this file, not to standard output")],
  examples: ["bunkms key jwks tokens"],
  async run(invocation) {
    const { io, options } = invocation;
    const { keyTransfer } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await keyTransfer.getJwks({ name: required(invocation, 0) });
    options.json ? printMessage(io, answer) : await writeText(io, Buffer.from(answer.data).toString("utf8"), file);
    return 0;
  },
});

function textOf(answer: GetPublicKeyResponse, form: "pem" | "jwk" | "ssh", name: string): string {
  const text = answer[form].trimEnd();
  if (text === "") {
    throw usage(`a key of the type of ${name} has no form ${form}`, "pem and der there are for all.");
  }
  return text;
}
