import assert from "node:assert/strict";
import type { Trail } from "../requirements/audit-trail.ts";

/** What has been read of the audit log so far: outcome of each call, by request id. */
export class TrailMemory {
  readonly #outcomes = new Map<string, string>();
  size = 0;

  /** @param trail What is new since `size`. */
  add({ entries, size }: Trail): void {
    assert.ok(size >= this.size, "the audit log has become shorter");
    assert.equal(entries.length, size - this.size, "the audit log has a gap");
    this.size = size;
    for (const { request_id, operation, outcome } of entries) {
      if (request_id !== "" && outcome === "ok") {
        assert.ok(!this.#outcomes.has(request_id), `${request_id} is in the audit log twice`);
        this.#outcomes.set(request_id, operation);
      }
    }
  }

  /** Policy action of a call that is in the log as a success. */
  actionOf(requestId: string): string | undefined {
    return this.#outcomes.get(requestId);
  }
}
