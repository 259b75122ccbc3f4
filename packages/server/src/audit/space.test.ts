import assert from "node:assert/strict";
import { test } from "node:test";
import { AuditLog } from "./log.ts";
import { AuditSpace } from "./space.ts";

function logOf(bytes: number): AuditLog {
  const log = new AuditLog();
  log.adopt(log.prepare([Buffer.alloc(bytes)], 0).end);
  return log;
}

test("a log is full from its limit on, and pruned entries do not count", () => {
  const log = logOf(100);
  let pruned = 0;
  const full = (limit: number): boolean => new AuditSpace(log, () => pruned, limit).isFull;
  assert.deepEqual([99, 100, 101].map(full), [true, true, false]);
  pruned = 1;
  assert.deepEqual([98, 99, 100].map(full), [true, true, false]);
});

test("without a limit no log is full", () => {
  assert.equal(new AuditSpace(logOf(100), () => 0, 0).isFull, false);
  assert.equal(new AuditSpace(new AuditLog(), () => 0, 0).isFull, false);
});
