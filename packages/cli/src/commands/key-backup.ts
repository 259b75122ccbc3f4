import { defineCommand, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { IN_OPTION, readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { printKey } from "../key-output.ts";
import { openOut } from "../out-file.ts";
import { printMessage, printNote, writeText } from "../output.ts";
import { parsePublicKeyOrBase64, publicKeyPem } from "../public-key-file.ts";

/** What the server takes: a key of very many versions is as long. */
const BACKUP_LIMIT = 1024 * 1024;
const PUBLIC_KEY_LIMIT = 16 * 1024;
const NOT_OURS = "A backup opens in the one cluster that it was sealed for; it may be of another, or not be whole.";

interface BackupOptions {
  readonly recipient?: string;
  readonly out?: string;
}

/** `bunkms key backup` */
export const backupCommand = defineCommand<BackupOptions>({
  usage: "backup <name>",
  summary: "Get the whole key with all its versions, sealed",
  details:
    "Only this server's cluster can restore it, or the one whose backup key is given. For another cluster the key must have\n" +
    "been created with --exportable; compare the fingerprint with what bunkms backup-key says there, over another channel.\n" +
    "Prints one line of base64.",
  options: [
    option("--recipient <file>", "Another cluster's backup key: PEM, DER or a line of base64"),
    option("-o, --out <file>", "Write to this file, readable by its owner only"),
  ],
  examples: [
    "bunkms key backup invoices -o invoices.backup",
    "bunkms key backup invoices --recipient berlin.pem -o invoices.for-berlin",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const recipientPublicKeyB64 = await readRecipient(io, options);
    const { keyTransfer } = await invocation.connect();
    const request = { name: required(invocation, 0), recipientPublicKeyB64 };
    await using file = await openOut(options);
    const answer = await keyTransfer.backupKey(request).catch((error: unknown) => {
      throw withAdvice(error, { invalid_public_key: 'Take it from "bunkms backup-key" of the other cluster.' });
    });
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    await writeText(io, answer.backup, file);
    if (options.recipient !== undefined) {
      printNote(
        io,
        `Only the cluster whose backup key has the fingerprint ${answer.recipientFingerprint} can restore it.`,
      );
    }
    return 0;
  },
});

/** `bunkms key restore` */
export const restoreCommand = defineCommand<{ readonly in?: string }>({
  usage: "restore <name>",
  summary: "Bring a key back from its backup",
  details:
    "With its id and versions, so that its ciphertexts decrypt again. A key is never replaced, but for a destroyed one of\n" +
    "the same name and id. A backup does not say who made it, and its maker may know the key: restore only what you know\n" +
    "the origin of.",
  options: [IN_OPTION()],
  examples: ["bunkms key restore invoices --in invoices.backup"],
  async run(invocation) {
    const { io, options } = invocation;
    const { keyTransfer } = await invocation.connect();
    const input = await readInput(io, options.in, { what: "the backup", limit: BACKUP_LIMIT });
    const backup = input.toString("latin1").trim();
    const key = await keyTransfer.restoreKey({ name: required(invocation, 0), backup }).catch((error: unknown) => {
      throw withAdvice(error, { decryption_failed: NOT_OURS });
    });
    printKey(invocation, key);
    return 0;
  },
});

/** `bunkms backup-key` */
export const backupKeyCommand = defineCommand<{ readonly out?: string }>({
  usage: "backup-key",
  summary: "Print the public key under which another cluster seals backups for this one",
  details:
    "As PEM, for bunkms key backup --recipient there. Compare the fingerprint (SHA-256 of the key as DER) over another\n" +
    "channel: whoever can change the key on its way could restore what is sealed to it.",
  options: [option("-o, --out <file>", "Write to this file, not to standard output")],
  examples: ["bunkms backup-key -o berlin.pem"],
  async run(invocation) {
    const { io, options } = invocation;
    const { keyTransfer } = await invocation.connect();
    await using file = await openOut(options);
    const answer = await keyTransfer.getBackupKey({});
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    await writeText(io, publicKeyPem(answer.publicKeyB64), file);
    printNote(io, `Fingerprint: ${answer.fingerprint}`);
    return 0;
  },
});

async function readRecipient(io: Io, { recipient }: BackupOptions): Promise<Uint8Array> {
  return recipient === undefined
    ? new Uint8Array()
    : parsePublicKeyOrBase64(await readInput(io, recipient, { what: "the backup key", limit: PUBLIC_KEY_LIMIT }));
}
