import { usage } from "./failure.ts";
import { readInput } from "./inputs.ts";
import type { Io } from "./io.ts";
import { promptHidden } from "./prompt.ts";

/** A share is far shorter; a share that is still encrypted should be recognised as one. */
const SHARE_LIMIT = 16 * 1024;

/** The forms of a share (spec/share.md): text, hexadecimal, base64. */
const SHARE = /^(?:bkms-?1[-a-z0-9]{30,}|[0-9a-f]{94}|[0-9a-z+/]{63}=)$/i;
const AGE_FILE = /^(?:-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org\/)/;

/** @throws Failure when a share itself was given where a file is meant; it does not repeat it. */
export function refuseShareAsFile(file: string | undefined): void {
  if (file !== undefined && SHARE.test(file.replaceAll(/\s/g, ""))) {
    throw usage(
      "this is a share, where a file's name is meant: every user of a machine sees its command lines, and shells keep them",
      "Take it out of the shell's history. Give it in a file, on standard input or at the hidden prompt.",
    );
  }
}

/**
 * Reads one share from a file, from standard input, or on a terminal from a hidden prompt.
 * @returns Its text. A string cannot be zeroed; it lives as long as the request that carries it.
 * @throws Failure when there is none, or it is still encrypted.
 */
export async function readShare(io: Io, file: string | undefined): Promise<string> {
  const bytes =
    file === undefined && io.stdin.isTTY
      ? ((await promptHidden(io, ["Share (hidden): "]))[0] as Buffer)
      : await readInput(io, file, { what: "the share", limit: SHARE_LIMIT, secret: true });
  const text = bytes.toString("utf8").trim();
  bytes.fill(0);
  if (text === "") {
    throw usage("no share was given", "Give it in a file, on standard input, or on a terminal at the hidden prompt.");
  }
  if (AGE_FILE.test(text)) {
    throw usage(
      "this share is still encrypted to its recipient",
      "Decrypt it first: age -d -i IDENTITY_FILE SHARE_FILE | bunkms operator unseal",
    );
  }
  return text;
}
