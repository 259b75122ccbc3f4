import { BunkmsError } from "@bunkms/contract";

const DEFAULT_PAGE_SIZE = 100;

/** A request for a page. */
interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** How many items a page may have. */
export function pageSize(request: PageRequest): number {
  return request.pageSize || DEFAULT_PAGE_SIZE;
}

/**
 * What the page token stands for: the last name or number of the page before; empty at the beginning.
 * @throws BunkmsError `invalid_request` for a token that no answer ever had.
 */
export function pageStart(request: PageRequest): string {
  const start = Buffer.from(request.pageToken, "base64url").toString("latin1");
  if (pageToken(start) !== request.pageToken) {
    throw new BunkmsError("invalid_request", "page_token: not one that an answer gave");
  }
  return start;
}

/** The token of the page after this last name or number, which is ASCII. */
export function pageToken(last: string): string {
  return Buffer.from(last, "latin1").toString("base64url");
}

/** The token after a page of named items, of which one more than the page's size was asked for. */
export function takePage<T>(
  items: readonly T[],
  size: number,
  name: (item: T) => string,
): { page: readonly T[]; nextPageToken: string } {
  const page = items.slice(0, size);
  const last = page.at(-1);
  return { page, nextPageToken: items.length > size && last !== undefined ? pageToken(name(last)) : "" };
}
