import { Agent, request } from "node:https";
import type { Fetch, TlsOptions } from "../options.ts";
import { MOST_ANSWER_BYTES } from "../wire.ts";

/**
 * As much of `fetch` as the client needs, over node:https: the runtimes' own takes certificates in three different ways, and
 * Node's in none.
 */
export function tlsFetch({ ca, cert, key }: TlsOptions): Fetch {
  const agent = new Agent({
    keepAlive: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  return (url, { method = "GET", headers = {}, body, signal }) => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const outgoing = request(url, {
      agent,
      method,
      headers: { ...(headers as Record<string, string>) },
      ...(signal ? { signal } : {}),
    });
    outgoing.on("error", reject);
    // Not all ends come with an error, such as an answer that changes the protocol.
    outgoing.on("close", () => reject(Object.assign(new Error("the answer is not whole"), { code: "ECONNRESET" })));
    outgoing.on("response", (incoming) => {
      const chunks: Uint8Array[] = [];
      let length = 0;
      incoming.on("data", (chunk: Uint8Array) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MOST_ANSWER_BYTES) {
          outgoing.destroy(new TypeError("the answer is larger than any"));
        }
      });
      incoming.on("error", reject);
      incoming.on("end", () => {
        const { statusCode: status = 0, headers: fields } = incoming;
        // As the standard does with `redirect: "error"`: the token goes to nobody who was not configured.
        if (status >= 300 && status < 400) {
          reject(new TypeError("the answer is a redirect"));
          return;
        }
        const known = Object.entries(fields).flatMap(([name, value]) =>
          typeof value === "string" ? [[name, value]] : [],
        );
        try {
          const hasBody = status !== 204 && status !== 205;
          resolve(
            new Response(hasBody ? Buffer.concat(chunks) : null, { status, headers: known as [string, string][] }),
          );
        } catch (error) {
          // A status that no server may answer. Thrown here, it would end the process.
          reject(error);
        }
      });
    });
    outgoing.end(typeof body === "string" ? body : undefined);
    return promise;
  };
}
