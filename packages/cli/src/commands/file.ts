import { decryptFile, encryptFile, FileCipherError, type FileCipherErrorCode } from "@bunkms/client";
import { ADDITIONAL_DATA_OPTIONS, type AdditionalDataOptions, additionalData } from "../additional-data.ts";
import { defineCommand, type Invocation, option, required } from "../command.ts";
import { withAdvice } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import { openInput } from "../file-input.ts";
import { writeStream, writeWhole } from "../file-output.ts";
import { withProgress } from "../file-progress.ts";
import { printJson } from "../output.ts";

interface FileOptions extends AdditionalDataOptions {
  readonly out?: string;
  readonly force?: boolean;
}

/** What an encrypted file's name ends with when nobody says otherwise. */
const SUFFIX = ".bkms";

const FILE_OPTIONS = () => [
  option("-o, --out <file>", "Write to this file, or to standard output with -"),
  option("--force", "Replace the file that is there"),
];

/** `bunkms encrypt-file` */
export const encryptFileCommand = defineCommand<FileOptions & { readonly key: string }>({
  usage: "encrypt-file <file>",
  summary: "Encrypt a file of any size, here",
  details:
    "The server makes a data key and never sees the file; the data key wrapped by the server's key lies in the encrypted\n" +
    `file. It gets the file's name with ${SUFFIX} added unless --out says otherwise. - reads standard input, and writes\n` +
    "standard output unless --out names a file. An output file has its name only once it is whole. A file that is written\n" +
    "while it is read is refused.",
  options: [
    option("--key <name>", "The key that wraps the data key").makeOptionMandatory(),
    ...FILE_OPTIONS(),
    ...ADDITIONAL_DATA_OPTIONS(),
  ],
  examples: [
    "bunkms encrypt-file backup.tar --key backups",
    "tar -c photos | bunkms encrypt-file - --key backups --context owner=alice -o photos.tar.bkms",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const file = required(invocation, 0);
    const out = options.out ?? (file === "-" ? "-" : `${file}${SUFFIX}`);
    if (out === "-" && io.stdout.isTTY) {
      throw usage("an encrypted file is nothing for a terminal", "Write it to a file: --out FILE.");
    }
    const binding = await additionalData(io, options);
    await convert(invocation, file, out, async (source) => {
      return encryptFile(await invocation.connect(), source, { keyName: options.key, ...binding });
    });
    return 0;
  },
});

/** `bunkms decrypt-file` */
export const decryptFileCommand = defineCommand<FileOptions & { readonly key?: string; readonly raw?: boolean }>({
  usage: "decrypt-file <file>",
  summary: "Decrypt a file that encrypt-file made",
  details:
    `The decrypted file gets the name without ${SUFFIX} unless --out says otherwise; it has its name only once it is whole.\n` +
    "- reads standard input, and writes standard output unless --out names a file. Standard output gets parts as soon as\n" +
    "they are known to be authentic: if a later part is not, the command ends with an error, and what came must be thrown\n" +
    "away. Without --key the key is the one that the file names, which is any that its writer could use.",
  options: [
    option("--key <name>", "The key that wrapped the data key, if it must be this one or has another name now"),
    ...FILE_OPTIONS(),
    option("--raw", "Write to a terminal, too"),
    ...ADDITIONAL_DATA_OPTIONS(),
  ],
  examples: [
    "bunkms decrypt-file backup.tar.bkms",
    "bunkms decrypt-file photos.tar.bkms --key backups --context owner=alice -o - | tar -x",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const file = required(invocation, 0);
    const out = options.out ?? withoutSuffix(file);
    if (out === "-" && io.stdout.isTTY && !options.raw) {
      throw usage(
        "a terminal would act on what is in the file",
        "Write it to a file with --out FILE, or insist: --raw.",
      );
    }
    const given = {
      ...(options.key === undefined ? {} : { keyName: options.key }),
      ...(await additionalData(io, options)),
    };
    await convert(invocation, file, out, async (source) => {
      return decryptFile(await invocation.connect(), source, given);
    });
    return 0;
  },
});

/** Sends a file through a cipher to where it shall go. */
async function convert(
  { io, options }: Invocation<FileOptions>,
  file: string,
  out: string,
  cipher: (source: AsyncIterable<Uint8Array>) => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  if (out === "-" && options.json) {
    throw usage("--json and standard output for the file do not go together");
  }
  await using input = await openInput(io, file);
  try {
    const pieces = onceAsked(() => cipher(withProgress(io, input.chunks, input.size)));
    const bytes = await (out === "-"
      ? writeStream(io.stdout, pieces)
      : writeWhole(out, options.force ?? false, pieces));
    if (options.json) {
      printJson(io, { file: out, bytes });
    }
  } catch (error) {
    throw explain(error, out);
  }
}

/** Pieces whose making begins when the output is open: nothing is asked for, such as a data key, that could not be written. */
async function* onceAsked(make: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await make();
}

function withoutSuffix(file: string): string {
  if (file === "-") {
    return "-";
  }
  if (!file.endsWith(SUFFIX) || file === SUFFIX) {
    throw usage(`${file} does not end with ${SUFFIX}, so the decrypted file has no name`, "Give it one: --out FILE.");
  }
  return file.slice(0, -SUFFIX.length);
}

const AGAIN = "Copy it again from where it came, or take it from a backup.";
const ADVICE: Readonly<Record<FileCipherErrorCode, string>> = {
  not_an_encrypted_file: 'A text that "bunkms encrypt" printed is decrypted with "bunkms decrypt".',
  unsupported_version: "Update bunkms.",
  truncated: AGAIN,
  changed: AGAIN,
  wrong_key: "Name the file's key with --key, or leave --key out.",
  wrong_additional_data: "Give --aad, --aad-file or --context as for the encryption.",
};

function explain(error: unknown, out: string): unknown {
  if (error instanceof FileCipherError) {
    const { code, message } = error;
    const isPartOut = out === "-" && (code === "truncated" || code === "changed");
    const next = isPartOut ? `${ADVICE[code]} What was written is not the whole file: throw it away.` : ADVICE[code];
    return new Failure(7, `${message} (${code})`, next);
  }
  return withAdvice(error, { not_found: "If the file's key has another name now, give it: --key NAME." });
}
