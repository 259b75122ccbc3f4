import type { AuditLog } from "../audit/log.ts";
import type { CursorStore, LogSource } from "../audit/sinks/feeder.ts";
import { DeliveryFailed } from "../audit/sinks/sink.ts";
import type { AuditTree } from "../audit/tree.ts";
import { RecordDamaged } from "../vault/record.ts";
import type { Records } from "../vault/records.ts";

const TABLE = "audit-cursor";
const CURSOR_BYTES = 8;

/** The log's durable entries, for sinks. Those that were pruned come from the archive. */
export function logSource(tree: AuditTree, log: AuditLog): LogSource {
  const size = (): number => log.frontier.size;
  return {
    size,
    async read(from, limit) {
      try {
        return await tree.entries(from, Math.min(from + limit, size()));
      } catch (error) {
        throw error instanceof RangeError ? new DeliveryFailed(error.message, { needsMending: true }) : error;
      }
    },
  };
}

/** How far the sinks are, kept beside the log. To write it is no mutation. */
export function cursorStore(records: Records): CursorStore {
  return {
    async load(sink) {
      const record = await records.read(TABLE, cursorPath(sink));
      if (record === undefined) {
        return undefined;
      }
      if (record.payload.length !== CURSOR_BYTES) {
        throw new RecordDamaged(TABLE, record.path);
      }
      return Number(record.payload.readBigUInt64BE());
    },
    async save(sink, cursor) {
      const payload = Buffer.alloc(CURSOR_BYTES);
      payload.writeBigUInt64BE(BigInt(cursor));
      await records.keep([{ table: TABLE, path: cursorPath(sink), payload }]);
    },
  };
}

function cursorPath(sink: string): string {
  return `sink/${sink}`;
}
