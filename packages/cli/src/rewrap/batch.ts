import type { EncryptRequest } from "@bunkms/client";
import { Failure } from "../failure.ts";
import { CIPHERTEXT_LIMIT } from "../inputs.ts";
import type { GroupLimits } from "./groups.ts";

/** What all items of a batch are bound to. */
export type Binding = Partial<Pick<EncryptRequest, "binding" | "context">>;

/** Requests under way at once. */
export const REQUESTS = 4;

/** One request takes 1000 items; fewer show earlier what goes wrong. */
const ITEMS = 500;
/** One request takes 1 MiB. */
const REQUEST_BYTES = 1024 * 1024;
/** What a request's JSON has around its items. */
const REQUEST_OVERHEAD = 1024;
/** What an item's JSON has around its values. */
const ITEM_OVERHEAD = 64;

/** How many items go into one request, if each adds its bytes as they are. */
export function groupLimits({ binding, context }: Binding): GroupLimits {
  const value = binding?.value ?? "";
  // In JSON bytes are base64, and a control character of a text takes six bytes.
  const text = JSON.stringify([Buffer.from(value).toString(typeof value === "string" ? "utf8" : "base64"), context]);
  const bytesEach = ITEM_OVERHEAD + Buffer.byteLength(text);
  // Below the limit there is still place for the largest item.
  return { items: ITEMS, bytes: REQUEST_BYTES - REQUEST_OVERHEAD - CIPHERTEXT_LIMIT - bytesEach, bytesEach };
}

/** Something answered that BunKMS would not. */
export function unexpectedAnswer(): Failure {
  return new Failure(
    7,
    "the server's answer does not fit the request",
    "Check the address: something else may answer there.",
  );
}
