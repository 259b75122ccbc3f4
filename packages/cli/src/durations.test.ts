import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration, parseSeconds, parseTime } from "./durations.ts";

test("durations are read in seconds, minutes, hours and days, and sums of them", () => {
  const read = ["0s", "90s", "15m", "24h", "7d", "1h30m"].map((text) => parseDuration(text, "--ttl"));
  assert.deepEqual(read, [0, 90, 900, 86_400, 604_800, 5_400]);
});

test("durations are written as they are read", () => {
  for (const text of ["0s", "59s", "1m", "1h30m", "90d", "7d1s"]) {
    assert.equal(formatDuration(parseDuration(text, "--ttl")), text);
  }
});

test("durations that the API has no room for are refused", () => {
  assert.equal(parseSeconds("1s", "--ttl"), 1);
  for (const text of ["0s", "50000d"]) {
    assert.throws(() => parseSeconds(text, "--ttl"), /more than nothing and less than a century/);
  }
});

for (const text of ["", "5", "h", "1.5h", "-1h", "1w", "1 h", " 1h"]) {
  test(`${JSON.stringify(text)} is not a duration`, () => {
    assert.throws(() => parseDuration(text, "--ttl"), /--ttl: not a duration/);
  });
}

test("times are RFC 3339, or a duration before now", () => {
  const now = new Date("2026-01-01T12:00:00Z");
  const read = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", "1h"].map((text) =>
    parseTime(text, "--since", now).toISOString(),
  );
  assert.deepEqual(read, ["2026-01-01T00:00:00.000Z", "2025-12-31T22:00:00.500Z", "2026-01-01T11:00:00.000Z"]);
});

for (const text of ["yesterday", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "1"]) {
  test(`${text} is not a time`, () => {
    assert.throws(() => parseTime(text, "--since", new Date()), /--since: not a time/);
  });
}
