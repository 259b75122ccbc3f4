import { randomBytes } from "node:crypto";
import { chmod, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A file with a key in a folder, for its owner alone. @param text A new key unless given. @returns Its path. */
export async function makeKeyFile(
  folder: string,
  name: string,
  text = `base64:${randomBytes(32).toString("base64")}\n`,
): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

let copies = 0;

/** A copy of a stopped vault's data folder, beside others in a folder. @returns Its path. */
export async function copyOfVault(folder: string, vault: string): Promise<string> {
  copies += 1;
  const path = join(folder, `copy-${copies}`);
  await cp(vault, path, { recursive: true, preserveTimestamps: true });
  await chmod(path, 0o700);
  return path;
}
