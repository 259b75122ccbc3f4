import { exchange, type RawAnswer, readAnswer } from "./raw-exchange.ts";
import { type RawRequest, requestBytes } from "./raw-http.ts";

/** Sends one request on a connection of its own. @throws Error when no answer came. */
export async function sendRaw(url: string, request: RawRequest): Promise<RawAnswer> {
  return readAnswer(await exchange(url, [requestBytes(request)]));
}

/** Sends bytes as they are. @returns All that came back, as Latin-1; also when it is no answer. */
export async function sendBytes(url: string, bytes: string): Promise<string> {
  return (await exchange(url, [Buffer.from(bytes, "latin1")])).text;
}

/** The contract's error code in an answer; empty when it has none. */
export function errorCode({ body }: RawAnswer): string {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code ?? "");
  } catch {
    return "";
  }
}
