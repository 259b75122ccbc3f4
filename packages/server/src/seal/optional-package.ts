import { SealUnavailable } from "./seal.ts";

const NOT_FOUND = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];

/**
 * Loads what only one seal needs, when that seal is opened. The packages are optional peers: an installation with
 * `--omit=dev` has none of them.
 * @throws SealUnavailable that says what to install.
 */
export async function loadOptional<T>(kind: string, packages: readonly string[], load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    const problem = NOT_FOUND.includes(String(code)) ? "is not installed" : "does not load";
    throw new SealUnavailable(`the ${kind} seal needs a package that ${problem}: npm install ${packages.join(" ")}`, {
      cause: error,
    });
  }
}
