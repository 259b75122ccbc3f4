import { InvalidArgumentError } from "commander";
import { option } from "./command.ts";
import type { Io } from "./io.ts";
import { printNote } from "./output.ts";

/** Options of every command that lists. */
export interface PageOptions {
  readonly all?: boolean;
  readonly pageSize?: number;
  readonly pageToken?: string;
}

/** The declarations of `PageOptions`. */
export const PAGE_OPTIONS = () => [
  option("--all", "All of them, not only the first page").conflicts("pageToken"),
  option("--page-size <count>", "At most this many at once, up to 1000 (100)").argParser(parseCount),
  option("--page-token <token>", "Go on where the page before ended"),
];

/** A page as every list operation of the contract answers. */
interface Page {
  nextPageToken: string;
}

/**
 * Fetches one page, or with `--all` all of them as one.
 * @param key names the page's list.
 */
export async function fetchPages<K extends string, Item, P extends Page & Record<K, Item[]>>(
  options: PageOptions,
  key: K,
  fetchPage: (request: { pageSize: number; pageToken: string }) => Promise<P>,
): Promise<P> {
  const pageSize = options.pageSize ?? (options.all ? 1000 : 0);
  const page = await fetchPage({ pageSize, pageToken: options.pageToken ?? "" });
  while (options.all && page.nextPageToken !== "") {
    const next = await fetchPage({ pageSize, pageToken: page.nextPageToken });
    page[key].push(...next[key]);
    page.nextPageToken = next.nextPageToken;
  }
  return page;
}

/** Says how to go on, when there is more. */
export function noteMore(io: Io, page: Page): void {
  if (page.nextPageToken !== "") {
    printNote(io, `There is more: add --all, or --page-token ${page.nextPageToken}`);
  }
}

/** Reads a count of at least 1. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  }
  return Number(text);
}
