import { BunkmsError, REQUEST_ID_FORM } from "@bunkms/contract";
import { randomBytes } from "../crypto/random.ts";
import type { Receipt } from "../pipeline/call.ts";

const BEARER = /^Bearer ([!-~]{1,2048})$/i;

/** Tells this process's request ids from those of any other. They are not secret, so that a count suffices after it. */
const PROCESS_ID = randomBytes(8).toString("hex");
let requests = 0;

/** The caller's request id when it is a plain one (1 to 64 letters, digits, `.`, `_`, `-`), else a new unique one. */
export function chooseRequestId(given: unknown): string {
  if (typeof given === "string" && REQUEST_ID_FORM.test(given)) {
    return given;
  }
  requests += 1;
  return `${PROCESS_ID}-${requests}`;
}

/**
 * All values of a header as one with commas between, which is what several headers of a name mean (RFC 9110 section 5.3); undefined when
 * there is none. Of several Authorization headers Node keeps the first alone, though who stands between may have looked at another.
 * @param raw Names and values by turns, as they came.
 */
export function wholeHeader(raw: readonly string[], name: string): string | undefined {
  let whole: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]?.length === name.length && raw[at]?.toLowerCase() === name) {
      whole = whole === undefined ? raw[at + 1] : `${whole}, ${raw[at + 1]}`;
    }
  }
  return whole;
}

/** The token of an Authorization header (RFC 6750 section 2.1); undefined when there is none, or more than one. */
export function bearerToken(header: unknown): string | undefined {
  return typeof header === "string" ? BEARER.exec(header)?.[1] : undefined;
}

/** The token of Vault's own header; undefined when there is none. */
export function vaultToken(header: unknown): string | undefined {
  return typeof header === "string" && /^[!-~]{1,256}$/.test(header) ? header : undefined;
}

/**
 * The value of the header or metadata `idempotency-key`, in quotes (RFC 9651 section 3.3.3, as draft-ietf-httpapi-idempotency-key-header
 * has it) or without; undefined when there is none.
 */
export function idempotencyKey(header: unknown): string | undefined {
  return typeof header === "string" ? header.replace(/^"(.*)"$/, "$1") : undefined;
}

/** What a caller who asks for a receipt of his call is answered in headers or trailers. */
interface WantedReceipt {
  /** Filled when the call was recorded. */
  readonly receiptHeaders: ReadonlyMap<string, string>;
  /** For the call; undefined when no receipt is wanted. */
  readonly onReceipt: ((receipt: Receipt) => void) | undefined;
}

const NO_RECEIPT: WantedReceipt = { receiptHeaders: new Map(), onReceipt: undefined };

/** A longer one is left to be asked for: gRPC and Node's own client refuse an answer whose headers are larger than 16 KiB. */
const MAX_RECEIPT_CHARACTERS = 8 * 1024;

/**
 * Whether a receipt is wanted: the header or metadata `bunkms-receipt` with the value `true`, in whatever case. Answered with
 * `bunkms-audit-index`, the entry's index, and `bunkms-receipt`, the proof's text in base64, unless that is too long for a header.
 */
export function receiptFor(header: unknown): WantedReceipt {
  if (!isWord(header, "true")) {
    return NO_RECEIPT;
  }
  const receiptHeaders = new Map<string, string>();
  const onReceipt = ({ index, proof }: Receipt): void => {
    receiptHeaders.set("bunkms-audit-index", String(index));
    const base64 = Buffer.from(proof ?? "").toString("base64");
    if (base64 !== "" && base64.length <= MAX_RECEIPT_CHARACTERS) {
      receiptHeaders.set("bunkms-receipt", base64);
    }
  };
  return { receiptHeaders, onReceipt };
}

/**
 * Refuses a value of `bunkms-receipt` that means nothing: who sent it expects a receipt, and would go without one unawares.
 * @throws BunkmsError `invalid_request`
 */
export function checkReceiptWish(...headers: readonly unknown[]): void {
  const isOne = headers.every((header) => header === undefined || isWord(header, "true") || isWord(header, "false"));
  if (!isOne || headers.length > 1) {
    throw new BunkmsError("invalid_request", "bunkms-receipt is `true`, for a receipt with the answer, or `false`");
  }
}

/** In whatever case: programs write `True` and `TRUE` as well. */
function isWord(value: unknown, word: string): boolean {
  return typeof value === "string" && value.toLowerCase() === word;
}
