import assert from "node:assert/strict";
import { operationOf, type Transport } from "./operation-call.ts";

/** An entry of the audit log as the API shows it. */
export interface TrailEntry {
  /** Leaf number, as decimal text. */
  readonly index: string;
  readonly request_id: string;
  readonly identity: string;
  readonly identity_name: string;
  readonly role: string;
  readonly operation: string;
  readonly resource: string;
  readonly outcome: string;
  readonly source_address: string;
  readonly transport: string;
  readonly request: Readonly<Record<string, string>>;
  readonly response: Readonly<Record<string, string>>;
}

/** Entries of a log, and its size when they were read. */
export interface Trail {
  /** The newest first. */
  readonly entries: readonly TrailEntry[];
  readonly size: number;
}

const PAGE = 1000;

/**
 * Reads all entries from leaf `from` on.
 * @param token Of an admin or root.
 */
export async function readTrail(transport: Transport, token: string, from = 0): Promise<Trail> {
  const entries: TrailEntry[] = [];
  let size: number | undefined;
  let page_token = "";
  do {
    const page = await transport.call(operationOf("audit.list"), { page_size: PAGE, page_token }, { token });
    assert.equal(page.code, "ok", page.text);
    size ??= Number(page.value["tree_size"]);
    const found = page.value["entries"] as unknown as readonly TrailEntry[];
    entries.push(...found.filter((entry) => Number(entry.index) >= from));
    const oldest = found.at(-1);
    page_token = oldest !== undefined && Number(oldest.index) <= from ? "" : String(page.value["next_page_token"]);
  } while (page_token !== "");
  return { entries, size };
}
