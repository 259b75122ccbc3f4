import { BATCH_PREFIX, batchPath } from "../audit/log.ts";
import type { BatchSource } from "../audit/reader.ts";
import type { Records } from "../vault/records.ts";

const PAGE = 64;

/** The last stored batch, opened, with the generation that it carries; undefined in a log without entries. */
export async function lastBatch(
  records: Records,
): Promise<{ readonly payload: Buffer; readonly generation: number } | undefined> {
  const [last] = await records.list("audit", { prefix: BATCH_PREFIX, reverse: true, limit: 1 });
  return last && { payload: last.payload, generation: last.ref.version };
}

/** The stored batches, for reading the log back. */
export function auditBatches(records: Records): BatchSource {
  return async function* newestFirst(before) {
    let after: string | undefined;
    if (before !== undefined) {
      // The batch that holds the entry `before - 1` is the first whose last entry is not before that one.
      const from = before >= 2 ? { after: batchPath(before - 2) } : {};
      const [holder] = await records.list("audit", { prefix: BATCH_PREFIX, ...from, limit: 1 });
      if (holder === undefined) {
        return;
      }
      yield holder.payload;
      after = holder.path;
    }
    for (;;) {
      const range = after === undefined ? {} : { after };
      const page = await records.list("audit", { prefix: BATCH_PREFIX, ...range, reverse: true, limit: PAGE });
      for (const batch of page) {
        yield batch.payload;
      }
      if (page.length < PAGE) {
        return;
      }
      after = page.at(-1)?.path;
    }
  };
}
