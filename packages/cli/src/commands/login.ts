import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { defineCommand, type SharedOptions } from "../command.ts";
import { clientOf, readTokenFile, resolveConnection } from "../connection.ts";
import { Failure } from "../failure.ts";
import { readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { keepLogin } from "../keep-login.ts";
import { type Login, loginPath } from "../login-file.ts";
import { printJson, printLine } from "../output.ts";
import { promptHidden } from "../prompt.ts";

const TOKEN_LIMIT = 4 * 1024;

/** `bunkms login` */
export const loginCommand = defineCommand({
  usage: "login",
  summary: "Remember a server and a token for it",
  details:
    "The token comes from a hidden prompt or from standard input, and is tried at the server before it is kept. With\n" +
    "--token-file only the file's name is kept. What is kept is readable by you alone.",
  examples: [
    "bunkms login --url https://kms.example.com:8080",
    "bunkms login --url https://kms.example.com:8080 --token-file ~/kms.token",
    "bunkms login < kms.token",
  ],
  async run({ io, options }) {
    const { url } = await resolveConnection(io, options);
    const { token, kept } = await readToken(io, options);
    const self = await clientOf(io, options, url, token).tokens.getSelf({});
    await keepLogin(io, { url, ...kept });
    if (options.json) {
      printJson(io, { url, id: self.id, display_name: self.displayName, role: self.role });
    } else {
      printLine(io, `Logged in at ${url} as ${self.displayName} (${self.role}).`);
    }
    return 0;
  },
});

/** `bunkms logout` */
export const logoutCommand = defineCommand({
  usage: "logout",
  summary: "Forget the server and token that bunkms login keeps",
  details: "The token itself stays valid until it expires or is revoked (bunkms token revoke).",
  examples: ["bunkms logout"],
  shared: "json",
  async run({ io, options }) {
    await rm(loginPath(io), { force: true });
    options.json ? printJson(io, {}) : printLine(io, "Logged out.");
    return 0;
  },
});

async function readToken(io: Io, options: SharedOptions): Promise<{ token: string; kept: Omit<Login, "url"> }> {
  if (options.tokenFile !== undefined) {
    const token_file = resolve(options.tokenFile);
    return { token: await readTokenFile(token_file), kept: { token_file } };
  }
  const bytes = io.stdin.isTTY
    ? (await promptHidden(io, ["Token (hidden): "]))[0]
    : await readInput(io, undefined, { what: "the token", limit: TOKEN_LIMIT });
  const token = bytes?.toString("latin1").trim() ?? "";
  if (token === "") {
    throw new Failure(3, "no token was given", "Give it on standard input: bunkms login < FILE");
  }
  return { token, kept: { token } };
}
