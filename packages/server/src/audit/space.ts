import type { AuditLog } from "./log.ts";

/** How much room the log's entries take, and may take. */
export class AuditSpace {
  readonly #log: AuditLog;
  readonly #prunedBytes: () => number;
  /** Bytes of entries; 0: no limit. */
  readonly limit: number;

  /** @param prunedBytes Bytes of the entries that are not in the store any more. */
  constructor(log: AuditLog, prunedBytes: () => number, limit: number) {
    this.#log = log;
    this.#prunedBytes = prunedBytes;
    this.limit = limit;
  }

  /** Bytes of the entries that are in the store, without what their records take besides. */
  stored(): number {
    return this.#log.end.bytes - this.#prunedBytes();
  }

  /** Whether nothing more is to be done, since nothing is to be forgotten. */
  get isFull(): boolean {
    return this.limit > 0 && this.stored() >= this.limit;
  }
}
