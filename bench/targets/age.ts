import { join } from "node:path";
import { AGE_PROGRAMS, AGE_VERSION, ensureAge } from "../../scripts/age-program.ts";
import { mustRun } from "../../scripts/run-program.ts";

/** The `age` program with a key pair of its own. */
export interface Age {
  readonly version: string;
  /** Its path. */
  readonly program: string;
  /** The public key. */
  readonly recipient: string;
  /** The file of the private key. */
  readonly identityFile: string;
}

/**
 * Makes sure that age is there, in .cache/bin, and makes a key pair in a folder.
 * @throws Error when Go is not there to build it.
 */
export async function prepareAge(folder: string): Promise<Age> {
  await ensureAge();
  const { age: program, keygen } = AGE_PROGRAMS;
  const identityFile = join(folder, "identity.txt");
  await mustRun(keygen, ["-o", identityFile]);
  const recipient = (await mustRun(keygen, ["-y", identityFile])).trim();
  return { version: AGE_VERSION, program, recipient, identityFile };
}
