import { isExposed } from "./connection.ts";
import type { Io } from "./io.ts";
import { type Login, loginPath } from "./login-file.ts";
import { printNote } from "./output.ts";
import { replacePrivateFile } from "./private-files.ts";

/** Remembers a server and a token for it, in a file for this user alone. */
export async function keepLogin(io: Io, login: Login): Promise<void> {
  await replacePrivateFile(loginPath(io), `${JSON.stringify(login, null, 2)}\n`);
  if (isExposed(login.url)) {
    printNote(io, `Beware: on the way to ${login.url} the token and all data can be read. Use https:// where you can.`);
  }
}
