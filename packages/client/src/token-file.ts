import type { TokenSource } from "./options.ts";
import { loadRuntime } from "./runtime-loader.ts";

/**
 * A token that lies in a file of its own, which is read again whenever it was changed; blanks around the token do not count.
 * In Node, Deno and Bun. Nothing is read before the first call.
 * @returns a source that throws RequestError when the file cannot be read.
 */
export function fileToken(path: string): TokenSource {
  let read: Promise<() => Promise<string>> | undefined;
  return async () => {
    read ??= loadRuntime().then((runtime) => runtime.watchTokenFile(path));
    return (await read)();
  };
}
