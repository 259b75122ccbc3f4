import type { ListOptions, RecordRevision } from "../store/store.ts";
import { VaultRolledBack } from "./rolled-back.ts";

/** All of a listing. Asks for the next page before it gives one away: the store reads on while that one is opened. @throws VaultRolledBack */
export async function* pagesOf<Found extends RecordRevision>(
  list: (options: ListOptions) => Promise<readonly Found[]>,
  prefix: string,
  pageSize: number,
): AsyncIterable<readonly Found[]> {
  let after: string | undefined;
  let next = list({ prefix, limit: pageSize });
  for (;;) {
    const page = await next;
    for (const { path } of page) {
      // The digest of the state needs each path once, and a store's own promise of it can be taken out of its file.
      if (after !== undefined && path <= after) {
        throw new VaultRolledBack("the vault has two records in one place");
      }
      after = path;
    }
    if (after === undefined || page.length < pageSize) {
      yield page;
      return;
    }
    next = list({ prefix, limit: pageSize, after });
    // Nobody waits for it when whoever takes the pages has enough, and its failure must not end the process then.
    next.catch(() => {});
    yield page;
  }
}
