import { RequestError } from "../errors.ts";
import type { Runtime } from "./runtime.ts";

/** In browsers there is none of it, and asking for what cannot be done without says so. */
export const runtime: Runtime = {
  openGrpc: () => refuse("gRPC: give the server's REST address, which begins with https:// or http://"),
  createTlsFetch: () => refuse("certificates of a page's own choice: the browser has its own"),
  watchTokenFile: () => refuse("files: give the token itself, or a function that gets it"),
  loadKeyWrap: () => refuse("what wraps key material (RFC 5649)"),
  loadAttachments: () => refuse("what hashes an attachment part by part"),
  loadKeyBackup: () => refuse("what seals a key backup (X-Wing)"),
  loadStreamCipher: async () => undefined,
};

function refuse(what: string): Promise<never> {
  return Promise.reject(new RequestError(`browsers do not have ${what}`));
}
