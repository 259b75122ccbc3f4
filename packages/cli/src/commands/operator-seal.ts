import type { BunkmsClient, SealStatus } from "@bunkms/client";
import { defineCommand, option } from "../command.ts";
import { refuseExposed, resolveUrl } from "../connection.ts";
import { asFailure } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import { printLine, printMessage, printNote } from "../output.ts";
import { printSealStatus } from "../seal-output.ts";
import { readShare, refuseShareAsFile } from "../share-input.ts";

/** `bunkms operator status` */
export const sealStatusCommand = defineCommand({
  usage: "status",
  summary: "Show whether the vault is open, and how far its unsealing is",
  details:
    "Needs no token. Exits with 0 when the vault is open, with 1 when it is not: uninitialised, sealed, or waiting for a\n" +
    "seal that cannot be reached. State degraded is open, with a seal that fails.",
  examples: ["bunkms operator status", "bunkms operator status --url https://kms.example.com:8080 --json"],
  async run(invocation) {
    const { seals } = await invocation.connectWithoutToken();
    const status = await seals.getSealStatus({});
    printSealStatus(invocation, status);
    return status.sealed ? 1 : 0;
  },
});

/** `bunkms operator unseal` */
export const unsealCommand = defineCommand<{ readonly reset?: boolean }>({
  usage: "unseal [share-files...]",
  summary: "Offer a share of the vault, which opens with the last one that is needed",
  details:
    "The share comes from a hidden prompt, from standard input, or from files with one each; it has a checksum, and blanks\n" +
    "and line ends in it do not matter. Needs no token. A wrong share is refused and takes nothing from those before. What\n" +
    "was offered is forgotten ten minutes after the last share.",
  options: [option("--reset", "Forget the shares that were offered; it needs a share, too")],
  examples: [
    "bunkms operator unseal",
    "bunkms operator unseal share-1.txt share-2.txt share-3.txt",
    "age -d -i key.txt share-1.age | bunkms operator unseal",
  ],
  async run(invocation) {
    const { args, io, options } = invocation;
    const files = args.length === 0 ? [undefined] : args;
    files.forEach(refuseShareAsFile);
    if (options.reset && files.length > 1) {
      throw usage("--reset takes one share");
    }
    refuseExposed(await resolveUrl(io, options), "somebody could read the share");
    const client = await invocation.connectWithoutToken();
    let status = await client.seals.getSealStatus({});
    if (!status.initialized) {
      throw new Failure(6, "there is no vault yet to unseal", 'Make it: "bunkms operator init".');
    }
    if (!status.sealed) {
      printNote(io, "The vault is open; no share is needed.");
    }
    for (const file of files) {
      if (status.sealed) {
        const key = await readShare(io, file);
        status = await offer(client, file, { key, reset: options.reset ?? false });
      }
    }
    printSealStatus(invocation, status);
    return 0;
  },
});

/** `bunkms operator seal` */
export const sealCommand = defineCommand({
  usage: "seal",
  summary: "Seal the vault: its keys leave memory, and nothing else is answered until it is unsealed",
  details:
    "Needs a root token. It opens again with shares (bunkms operator unseal), or by its other seals when the server is\n" +
    "started again.",
  examples: ["bunkms operator seal"],
  async run(invocation) {
    const { seals } = await invocation.connect();
    const answer = await seals.sealVault({});
    invocation.options.json ? printMessage(invocation.io, answer) : printLine(invocation.io, "sealed");
    return 0;
  },
});

/** Offers one of several shares: what is wrong with it is said with its file's name. */
async function offer(
  { seals }: BunkmsClient,
  file: string | undefined,
  request: { readonly key: string; readonly reset: boolean },
): Promise<SealStatus> {
  try {
    return await seals.unseal(request);
  } catch (error) {
    const { exitCode, message, next } = asFailure(error);
    throw new Failure(exitCode, file === undefined ? message : `${file}: ${message}`, next);
  }
}
