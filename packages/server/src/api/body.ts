import type { IncomingMessage } from "node:http";
import { BunkmsError } from "@bunkms/contract";

const JSON_TYPE = /^application\/json(\s*;\s*charset="?utf-8"?)?$/i;

/**
 * Reads a request's body. The caller owns the bytes.
 * @param limit Most bytes; 0: there must be none.
 * @param anyType Whether the content type does not matter.
 * @throws BunkmsError `payload_too_large`, `unsupported_media_type`, `invalid_request`, `cancelled`
 */
export async function readBody(request: IncomingMessage, limit: number, anyType = false): Promise<Buffer> {
  const { headers } = request;
  const length = Number(headers["content-length"] ?? 0);
  const hasBody = length > 0 || headers["transfer-encoding"] !== undefined;
  if (!hasBody) {
    return Buffer.alloc(0);
  }
  if (limit === 0) {
    throw new BunkmsError("invalid_request", "this operation takes no body");
  }
  if (!anyType && !JSON_TYPE.test(headers["content-type"] ?? "")) {
    throw new BunkmsError("unsupported_media_type");
  }
  if (headers["content-encoding"] !== undefined) {
    throw new BunkmsError("unsupported_media_type", "the body must not be compressed");
  }
  if (length > limit) {
    throw tooLarge(limit);
  }
  return collect(request, limit);
}

/** Of a refused request so much is read and dropped, so that a caller who is still writing gets to read the answer. */
const DISCARDED_BYTES = 4 * 1024 * 1024;
const DISCARDED_MS = 2_000;

/**
 * Reads and drops what is left of a request; what is too long or too slow ends with its connection.
 * @returns When nothing is left to read.
 */
export async function discardRest(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) {
    return;
  }
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const giveUp = (): void => {
    request.socket.destroy();
    end();
  };
  let left = DISCARDED_BYTES;
  const timer = setTimeout(giveUp, DISCARDED_MS);
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) {
      giveUp();
    }
  });
  request.on("end", end);
  request.on("close", end);
  request.resume();
  await ended;
  clearTimeout(timer);
}

function collect(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.pause();
        request.removeAllListeners("data");
        reject(tooLarge(limit));
        return;
      }
      chunks.push(chunk);
    });
    request.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)));
    request.on("error", () => reject(new BunkmsError("cancelled")));
    request.on("close", () => {
      // Comes after each request; an error with its stack is made only for those that broke off.
      if (!request.complete) {
        reject(new BunkmsError("cancelled"));
      }
    });
  });
}

function tooLarge(limit: number): BunkmsError {
  return new BunkmsError("payload_too_large", `the body is larger than ${limit} bytes`);
}
