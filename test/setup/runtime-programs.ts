import { join } from "node:path";
import { ROOT } from "../../scripts/run-program.ts";

/** Where the set-up installs what is in test/setup/runtimes. */
export const RUNTIMES_FOLDER = join(ROOT, ".cache", "runtimes");

/** The path of Deno, Bun or esbuild. */
export function runtimeProgram(name: string): string {
  return join(RUNTIMES_FOLDER, "node_modules", ".bin", name);
}
