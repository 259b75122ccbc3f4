import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "../crypto/random.ts";

/** Where the master key of development mode lies in the data folder. */
export function devMasterKeyPath(dataPath: string): string {
  return join(dataPath, "master.key");
}

/**
 * Makes a data folder (0700) with a master key file (0600) if there is none. Over existing data no key is ever made.
 * @returns The key file's path.
 */
export function ensureDevMasterKey(dataPath: string, hasData: boolean): string {
  const path = devMasterKeyPath(dataPath);
  if (!existsSync(path)) {
    if (hasData) {
      throw new Error(
        `${path} is missing, but the folder holds a vault: put its master key file back, or remove the folder to start anew`,
      );
    }
    mkdirSync(dataPath, { recursive: true, mode: 0o700 });
    const key = randomBytes(32);
    writePrivate(path, `base64:${key.toString("base64")}\n`);
    key.fill(0);
  }
  return path;
}

/** The root token's file in a data folder. */
export function rootTokenPath(dataPath: string): string {
  return join(dataPath, "root-token");
}

/** Keeps the root token for the next start and the CLI, readable by its owner only. */
export function saveRootToken(path: string, token: string): void {
  writePrivate(path, `${token}\n`);
}

/** Where the CLI looks for a development server. `configHome` is XDG_CONFIG_HOME, if it is set. */
export function pointerPath(configHome: string | undefined): string {
  return join(configHome ?? join(homedir(), ".config"), "bunkms", "dev.json");
}

/** Tells the CLI of this user where the development server listens and where its token lies. */
export function savePointer(path: string, url: string, grpcAddr: string, tokenFile: string): void {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  writePrivate(path, `${JSON.stringify({ url, grpc_addr: grpcAddr, token_file: tokenFile }, null, 2)}\n`);
}

/** Whether the token file is there, readable. */
export function hasRootToken(path: string): boolean {
  return existsSync(path) && readFileSync(path).length > 0;
}

/** Writes a file that only its owner may read, whole or not at all. */
function writePrivate(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}
