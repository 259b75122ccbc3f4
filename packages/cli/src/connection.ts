import { readFileSync } from "node:fs";
import { setDefaultCACertificates } from "node:tls";
import { BunkmsApiError, type BunkmsClient, ConnectionError, createClient } from "@bunkms/client";
import type { SharedOptions } from "./command.ts";
import { Failure, usage } from "./failure.ts";
import { fileError } from "./inputs.ts";
import type { Io } from "./io.ts";
import { type Login, loginPath, pointerPath, readLogin } from "./login-file.ts";
import { readPrivateFile } from "./private-files.ts";

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** The server to talk to, and how to get the token for it. */
export interface Connection {
  readonly url: string;
  /** @throws Failure when there is no token, or it cannot be read. */
  token(): Promise<string>;
}

/** Makes a client of the server that options, environment, login or development pointer name, in this order. */
export async function connect(io: Io, options: SharedOptions): Promise<BunkmsClient> {
  const { url, token } = await resolveConnection(io, options);
  return clientOf(io, options, url, token);
}

/** Likewise, for operations that need no token: none is looked for and none is sent. */
export async function connectWithoutToken(io: Io, options: SharedOptions): Promise<BunkmsClient> {
  return clientOf(io, options, await resolveUrl(io, options));
}

/** Makes a client of the given server with the given token, or without one. */
export function clientOf(
  io: Io,
  options: SharedOptions,
  url: string,
  token?: string | (() => Promise<string>),
): BunkmsClient {
  const ca = options.ca ?? setOrUndefined(io.env["BUNKMS_CACERT"]);
  if (ca !== undefined) {
    trustOnly(ca);
  }
  const timeoutMs = options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1000 };
  return createClient({ url, ...(token === undefined ? {} : { token }), ...timeoutMs, retry: { isWorthwhile } });
}

/**
 * What a person at a terminal would rather be told than wait for: that no server is there, and that somebody has to open the
 * vault.
 */
function isWorthwhile(error: Error): boolean {
  return !(
    error instanceof ConnectionError ||
    (error instanceof BunkmsApiError && ["sealed", "not_initialised"].includes(error.code))
  );
}

/** Finds server and token. @throws Failure when no server is known. */
export async function resolveConnection(io: Io, options: SharedOptions): Promise<Connection> {
  const url = await resolveUrl(io, options);
  return { url, token: async () => (await givenToken(io, options)) ?? (await storedToken(io, url)) };
}

/** Finds the server alone. @throws Failure when none is known. */
export async function resolveUrl(io: Io, options: SharedOptions): Promise<string> {
  const url = options.url ?? setOrUndefined(io.env["BUNKMS_URL"]) ?? (await storedLogins(io))[0]?.url;
  if (url === undefined) {
    throw usage(
      "no server is known",
      'Log in ("bunkms login --url URL"), set BUNKMS_URL, or start a development server ("npm start").',
    );
  }
  return url;
}

async function givenToken(io: Io, options: SharedOptions): Promise<string | undefined> {
  if (options.tokenFile !== undefined) {
    return await readTokenFile(options.tokenFile);
  }
  const token = setOrUndefined(io.env["BUNKMS_TOKEN"]);
  const file = setOrUndefined(io.env["BUNKMS_TOKEN_FILE"]);
  return token ?? (file === undefined ? undefined : await readTokenFile(file));
}

async function storedToken(io: Io, url: string): Promise<string> {
  // A stored token goes only to the server that it was stored for: another address may be anybody's.
  const login = (await storedLogins(io)).find((one) => isSameServer(one.url, url));
  if (login?.token_file !== undefined) {
    return await readTokenFile(login.token_file);
  }
  if (login?.token !== undefined) {
    return login.token;
  }
  throw new Failure(
    3,
    `no token for ${url}`,
    'Log in ("bunkms login --url URL"), or name a file with the token: --token-file or BUNKMS_TOKEN_FILE.',
  );
}

/** The login, then the development pointer. Read only when needed: what is given explicitly works whatever they are. */
async function storedLogins(io: Io): Promise<readonly Login[]> {
  const found = [await readLogin(loginPath(io)), await readLogin(pointerPath(io))];
  return found.filter((login) => login !== undefined);
}

/** Reads a token from a file of its own; blanks around it do not count. @throws Failure */
export async function readTokenFile(path: string): Promise<string> {
  const token = (await readPrivateFile(path))?.trim();
  if (token === undefined) {
    throw new Failure(3, `there is no token file ${path}`);
  }
  return token;
}

/** Whether others on the way to an address can read and change what goes there. */
export function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return ["http:", "grpc:"].includes(protocol) && !LOOPBACK.test(hostname);
}

/** @param danger What could happen there, for example `somebody could read the shares`. @throws Failure when it could. */
export function refuseExposed(url: string, danger: string): void {
  if (isExposed(url)) {
    throw usage(`on the way to ${url} ${danger}`, "Use an https:// address.");
  }
}

function isSameServer(one: string, other: string): boolean {
  return URL.parse(one)?.href === URL.parse(other)?.href && URL.canParse(one);
}

function trustOnly(path: string): void {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    setDefaultCACertificates([pem]);
  } catch {
    throw usage(`${path} has no certificates in PEM`);
  }
}

function setOrUndefined(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
