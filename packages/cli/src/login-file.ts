import { join } from "node:path";
import { Failure } from "./failure.ts";
import type { Io } from "./io.ts";
import { configFolder, readPrivateFile } from "./private-files.ts";

/** A server and the token for it, as files of this user name them. */
export interface Login {
  readonly url: string;
  /** The token itself, or the file that holds it. */
  readonly token?: string;
  readonly token_file?: string;
}

/** Where `bunkms login` writes. */
export function loginPath(io: Io): string {
  return join(configFolder(io), "cli.json");
}

/** Where a development server writes, at each start, where it is and where its root token lies. */
export function pointerPath(io: Io): string {
  return join(configFolder(io), "dev.json");
}

/** Reads a login or a pointer. @returns undefined when there is none. @throws Failure when it is not one. */
export async function readLogin(path: string): Promise<Login | undefined> {
  const text = await readPrivateFile(path);
  if (text === undefined) {
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isLogin(value)) {
    throw new Failure(3, `${path} is not a login`, 'Remove it, or log in again: "bunkms login".');
  }
  return value;
}

function isLogin(value: unknown): value is Login {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { url, token, token_file } = value as Record<keyof Login, unknown>;
  return typeof url === "string" && [token, token_file].filter((one) => typeof one === "string").length === 1;
}
