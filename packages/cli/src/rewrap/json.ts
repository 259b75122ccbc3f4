import { parseJsonPath } from "./json-path.ts";
import { JsonScanner } from "./json-scanner.ts";
import type { CiphertextFormat } from "./parts.ts";

/**
 * The strings at a path of a JSON text, or of several in one file, such as JSON lines. `null` there stays as it is, and so
 * does every byte elsewhere.
 * @throws Failure for what is not a path.
 */
export function jsonFormat(path: string): CiphertextFormat {
  const steps = parseJsonPath(path);
  return {
    needsCiphertexts: true,
    async *read(chunks, from) {
      const scanner = new JsonScanner(steps, from);
      for await (const chunk of chunks) {
        yield* scanner.feed(chunk);
      }
      scanner.end();
    },
    write: (ciphertext) => JSON.stringify(ciphertext),
  };
}
