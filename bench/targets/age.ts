import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mustRun, ROOT, runProgram } from "../../scripts/run-program.ts";

const VERSION = "v1.3.2";
const BIN = join(ROOT, ".cache", "bin");

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
  const program = join(BIN, "age");
  if ((await runProgram(program, ["--version"])).output.trim() !== VERSION) {
    await mkdir(BIN, { recursive: true });
    for (const command of ["age", "age-keygen"]) {
      await mustRun("go", ["install", `filippo.io/age/cmd/${command}@${VERSION}`], { cwd: "/", env: { GOBIN: BIN } });
    }
  }
  const identityFile = join(folder, "identity.txt");
  await mustRun(join(BIN, "age-keygen"), ["-o", identityFile]);
  const recipient = (await mustRun(join(BIN, "age-keygen"), ["-y", identityFile])).trim();
  return { version: VERSION, program, recipient, identityFile };
}
