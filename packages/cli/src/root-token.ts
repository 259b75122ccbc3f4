import type { Io } from "./io.ts";
import { keepLogin } from "./keep-login.ts";
import { printNote } from "./output.ts";

/**
 * Remembers a root token that was made just now.
 * @returns Whether it is kept. When it is not, a note says why, and it is to be printed: it is not to be had again.
 */
export async function keepRootToken(io: Io, url: string, token: string): Promise<boolean> {
  try {
    await keepLogin(io, { url, token });
    return true;
  } catch (error) {
    printNote(io, `Beware: the root token could not be remembered: ${(error as NodeJS.ErrnoException).code}.`);
    return false;
  }
}
