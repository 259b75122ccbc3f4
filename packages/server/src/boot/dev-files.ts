import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type { Config } from "../config/config.ts";
import { randomBytes } from "../crypto/random.ts";
import { makeFolder, syncFolder } from "../store/private-files.ts";

/** Where the master key of development mode lies in the data folder. */
export function devMasterKeyPath(dataPath: string): string {
  return join(dataPath, "master.key");
}

/**
 * Makes a data folder (0700) with a master key file (0600) if there is none. Never to be called over existing data.
 * @returns The key file's path.
 */
export function ensureDevMasterKey(dataPath: string): string {
  const path = devMasterKeyPath(dataPath);
  if (!existsSync(path)) {
    makeFolder(dataPath);
    syncFolder(dirname(dataPath));
    const key = randomBytes(32);
    publishPrivate(path, `base64:${key.toString("base64")}\n`);
    key.fill(0);
  }
  return path;
}

/** The root token's file in a data folder. A vault in memory has its own, so that it never replaces the one on disk. */
export function rootTokenPath({ dataPath, store }: Pick<Config, "dataPath" | "store">): string {
  return join(dataPath, store === "memory" ? "root-token-memory" : "root-token");
}

/** Keeps the root token for the next start and the CLI, readable by its owner only. */
export function saveRootToken(path: string, token: string): void {
  makeFolder(dirname(path));
  writePrivate(path, `${token}\n`);
}

/**
 * Where the CLI looks for a development server.
 * @param configHome XDG_CONFIG_HOME, if it is set.
 * @throws Error when this user has no home, or an empty one: the folder where the server was started is none.
 */
export function pointerPath(configHome: string | undefined): string {
  const folder = configHome ?? join(homedir(), ".config");
  if (!isAbsolute(folder)) {
    throw new Error("this user has no home: neither XDG_CONFIG_HOME nor HOME is a folder's whole path");
  }
  return join(folder, "bunkms", "dev.json");
}

/** Tells the CLI of this user where the development server listens and where its token lies. */
export function savePointer(path: string, url: string, grpcAddr: string, tokenFile: string): void {
  makeFolder(dirname(path));
  writePrivate(path, `${JSON.stringify({ url, grpc_addr: grpcAddr, token_file: tokenFile }, null, 2)}\n`);
}

/** Whether the token file is there, readable. */
export function hasRootToken(path: string): boolean {
  return existsSync(path) && readFileSync(path).length > 0;
}

/** Writes a file that only its owner may read, whole or not at all, and on disk when it returns. */
function writePrivate(path: string, text: string): void {
  renameSync(writeDraft(path, text), path);
  syncFolder(dirname(path));
}

/**
 * Likewise, but leaves a file that somebody else made meanwhile: of two first starts at once, both use the key of the
 * first. On disk before the vault is: it must not outlive its key in a power cut.
 */
function publishPrivate(path: string, text: string): void {
  const draft = writeDraft(path, text);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
  } finally {
    unlinkSync(draft);
  }
  syncFolder(dirname(path));
}

/** Writes the text into a new file beside `path`, readable by its owner only, with fsync. @returns Its path. */
function writeDraft(path: string, text: string): string {
  const draft = `${path}.${process.pid}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    fchmodSync(file, 0o600);
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return draft;
}
